"""Transactions on single messages, and histories, in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from apps.message.domain.history import Window
from apps.message.domain.messages import Channel, ChannelMembership, StoredMessage
from apps.message.ports import HistoryPage, UnitOfWork
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.message import Message
from tests.fakes.message.store import LOCK_TIMEOUT_S, OutboxEvent, Row, Store, Transaction, copy_of


class MemoryHistory:
    """`apps.message.ports.History` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, channel_id: UUID, profile_id: UUID, window: Window) -> HistoryPage:
        """Return all messages that are not deleted, the newest first; none if the profile is not a member."""
        membership = self._store.membership(channel_id, profile_id)
        if membership.role is None:
            return HistoryPage(membership, None, [])
        rows = self._store.rows(channel_id)
        anchors = (row.stored.message.sequence for row in rows if row.stored.message.id == window.anchor)
        messages = [replace(row.stored.message) for row in reversed(rows) if not row.stored.deleted]
        return HistoryPage(membership, next(anchors, None), messages)


class MemoryUnitOfWorkFactory:
    """`apps.message.ports.UnitOfWorkFactory` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """Begin a transaction; commit it at the end, roll it back when the block raises."""
        async with self._store.begin() as transaction:
            yield MemoryUnitOfWork(self._store, transaction)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        """Begin a transaction that reads only."""
        async with self._store.begin() as transaction:
            yield MemoryUnitOfWork(self._store, transaction)


class MemoryUnitOfWork:
    """`apps.message.ports.UnitOfWork` in memory."""

    def __init__(self, store: Store, transaction: Transaction) -> None:
        self._store = store
        self._transaction = transaction

    async def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """Return the channel and the role of a profile in it."""
        return self._store.membership(channel_id, profile_id)

    async def lock_membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """Lock the channel's row, then return the channel and the role of a profile in it."""
        await self.lock_channel(channel_id)
        return self._store.membership(channel_id, profile_id)

    async def lock_channel(self, channel_id: UUID) -> Channel | None:
        """Lock a channel's row and return the channel; None if it is unknown."""
        if channel_id not in self._store.channels:
            return None
        await self._transaction.lock(channel_id, LOCK_TIMEOUT_S)
        return replace(self._store.channels[channel_id])

    async def message(self, channel_id: UUID, message_id: UUID) -> StoredMessage | None:
        """Return a message or its tombstone; None if it is unknown."""
        row = self._row(channel_id, message_id)
        return None if row is None else copy_of(row.stored)

    async def messages_with_file(self, channel_id: UUID, file_id: UUID, limit: int) -> list[Message]:
        """Return the first messages of a channel that show a file and are not deleted."""
        messages = [row.stored.message for row in self._store.rows(channel_id) if not row.stored.deleted]
        return [
            replace(message)
            for message in messages
            if any(attachment.id == file_id for attachment in message.attachments)
        ][:limit]

    async def change_content(self, message: Message, revision: int) -> None:
        """Store the new content of a message, and its channel's `messages_revision`."""
        self._replace(StoredMessage(message=replace(message)), revision)

    async def change_attachments(self, message: Message, revision: int) -> None:
        """Store the new attachments of a message, and its channel's `messages_revision`."""
        self._replace(StoredMessage(message=replace(message)), revision)

    async def mark_deleted(self, message: Message, call_id: str, now: datetime, revision: int) -> None:
        """Replace a message by a tombstone, and store its channel's `messages_revision`."""
        empty = replace(message, content="", attachments=())
        self._replace(StoredMessage(message=empty, deleted=True, deleting_call=call_id), revision)

    async def add_deleted_file(self, file_id: UUID, now: datetime) -> None:
        """Store that a file was deleted."""
        self._transaction.changes.append(lambda: self._store.deleted_files.update({file_id: now}))

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""
        event = OutboxEvent(event_type, key, revision, replace(data))
        self._transaction.changes.append(lambda: self._store.outbox.append(event))

    def _row(self, channel_id: UUID, message_id: UUID) -> Row | None:
        rows = self._store.rows(channel_id)
        return next((row for row in rows if row.stored.message.id == message_id), None)

    def _replace(self, stored: StoredMessage, revision: int) -> None:
        row = self._row(stored.message.channel_id, stored.message.id)
        assert row is not None
        stored.fingerprint = None if stored.deleted else row.stored.fingerprint

        def commit() -> None:
            row.stored = stored
            self._store.channels[stored.message.channel_id].messages_revision = revision

        self._transaction.changes.append(commit)
