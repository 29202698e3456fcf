"""The cold paths and histories, in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from apps.message.domain.messages import Channel, ChannelMembership, Stored, Window
from apps.message.ports import Page, UnitOfWork
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.message import Message
from tests.fakes.message.store import Row, Store, Told, Transaction, copy_of


class MemoryHistory:
    """Where histories are read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, channel_id: UUID, profile_id: UUID, window: Window) -> Page:
        """All messages that are not deleted, the newest first; none for who is no member."""
        gate = self._store.gate(channel_id, profile_id)
        if gate.role is None:
            return Page(gate, None, [])
        rows = self._store.rows(channel_id)
        anchors = (row.stored.message.sequence for row in rows if row.stored.message.id == window.anchor)
        shown = [replace(row.stored.message) for row in reversed(rows) if not row.stored.deleted]
        return Page(gate, next(anchors, None), shown)


class MemoryUnitOfWorkFactory:
    """Where the cold paths work."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """Committed at the end, rolled back when the block raises."""
        async with self._store.begin() as transaction:
            yield MemoryUnitOfWork(self._store, transaction)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        """To read only."""
        async with self._store.begin() as transaction:
            yield MemoryUnitOfWork(self._store, transaction)


class MemoryUnitOfWork:
    """One transaction of the cold paths."""

    def __init__(self, store: Store, transaction: Transaction) -> None:
        self._store = store
        self._transaction = transaction

    async def gate(self, channel_id: UUID, profile_id: UUID, *, lock: bool = False) -> ChannelMembership:
        """What is known about a profile in a channel; with `lock` the channel's row is locked first."""
        if lock and channel_id in self._store.channels:
            await self._transaction.hold(channel_id, 5)
        return self._store.gate(channel_id, profile_id)

    async def message(self, channel_id: UUID, message_id: UUID) -> Stored | None:
        """A message or the tombstone of one."""
        row = self._row(channel_id, message_id)
        return None if row is None else copy_of(row.stored)

    async def change(self, message: Message, revision: int) -> None:
        """Store the new content of a message, and its channel's `messages_revision`."""
        self._replace(Stored(message=replace(message)), revision)

    async def bury(self, message: Message, call_id: str, now: datetime, revision: int) -> None:
        """Make a tombstone of a message, and store its channel's `messages_revision`."""
        empty = replace(message, content="", attachments=())
        tombstone = Stored(message=empty, deleted=True, deleting_call=call_id)
        self._replace(tombstone, revision)

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""
        told = Told(kind, key, revision, replace(data))
        self._transaction.changes.append(lambda: self._store.outbox.append(told))

    async def lock_channel(self, channel_id: UUID) -> Channel | None:
        """Lock a channel's row."""
        if channel_id not in self._store.channels:
            return None
        await self._transaction.hold(channel_id, 5)
        return replace(self._store.channels[channel_id])

    async def note_deleted_file(self, file_id: UUID, now: datetime) -> None:
        """Remember for a while that a file was deleted."""
        self._transaction.changes.append(lambda: self._store.deleted_files.update({file_id: now}))

    async def messages_with(self, channel_id: UUID, file_id: UUID, limit: int) -> list[Message]:
        """Messages of a channel that show a file."""
        shown = (row.stored for row in self._store.rows(channel_id) if not row.stored.deleted)
        with_it = (it.message for it in shown if any(file.id == file_id for file in it.message.attachments))
        return [replace(message) for message in with_it][:limit]

    async def change_attachments(self, message: Message, revision: int) -> None:
        """Store the new attachments of a message, and its channel's `messages_revision`."""
        self._replace(Stored(message=replace(message)), revision)

    def _row(self, channel_id: UUID, message_id: UUID) -> Row | None:
        rows = self._store.rows(channel_id)
        return next((row for row in rows if row.stored.message.id == message_id), None)

    def _replace(self, stored: Stored, revision: int) -> None:
        row = self._row(stored.message.channel_id, stored.message.id)
        assert row is not None
        stored.fingerprint = None if stored.deleted else row.stored.fingerprint

        def commit() -> None:
            row.stored = stored
            self._store.channels[stored.message.channel_id].messages_revision = revision

        self._transaction.changes.append(commit)
