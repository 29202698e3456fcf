"""Committed state of the fakes, and their transactions with locks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from apps.file.domain.files import ChannelMembership, FileRecord, Usage
from shared.contracts.base import Answer
from shared.contracts.errors import IDEMPOTENCY_MISMATCH, MESH_BUSY, ServiceError
from shared.contracts.event import EventType
from shared.contracts.fields import Role
from shared.contracts.file import File

_LOCK_WAIT_S = 5


class OutboxEvent(Struct, frozen=True):
    """An event in the outbox."""

    event_type: EventType
    key: UUID
    revision: int
    data: Answer


class Row(Struct):
    """A file, and the time of its deletion."""

    record: FileRecord
    deleted_at: datetime | None = None


class Channel(Struct):
    """A known channel."""

    server_id: UUID
    deleted: bool = False


class StoredOutcome(Struct, frozen=True):
    """A stored answer: the body of its request, the outcome, and the time when it expires."""

    body: bytes
    outcome: File | ServiceError
    until: datetime

    def answer(self, body: bytes) -> File:
        """Return the file again. Raise the stored error, `idempotency.mismatch` for another body."""
        if self.body != body:
            raise IDEMPOTENCY_MISMATCH.exception("This key was used for another body before.")
        if isinstance(self.outcome, ServiceError):
            raise self.outcome
        return replace(self.outcome)


class Store:
    """The committed state, and the locks of its rows."""

    def __init__(self) -> None:
        self.files: dict[UUID, Row] = {}
        self.usage: dict[UUID, Usage] = {}
        self.channels: dict[UUID, Channel] = {}
        self.members: dict[tuple[UUID, UUID], tuple[Role | None, int]] = {}
        self.servers_gone: set[UUID] = set()
        self.purged: set[UUID] = set()
        """The purged channels and servers."""
        self.answered: dict[tuple[UUID, str], StoredOutcome] = {}
        self.outbox: list[OutboxEvent] = []
        self._locks: dict[Hashable, asyncio.Lock] = {}

    def lock_of(self, row: Hashable) -> asyncio.Lock:
        """Return the lock of a row."""
        return self._locks.setdefault(row, asyncio.Lock())

    def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership | None:
        """Return what our copy knows of a profile in a channel; None for an unknown channel."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return None
        role, _ = self.members.get((channel.server_id, profile_id), (None, 0))
        return ChannelMembership(server_id=channel.server_id, deleted=channel.deleted, role=role)

    def charge(self, profile_id: UUID, size: int, files: int) -> None:
        """Add these bytes and files to a person's usage; negative numbers release them."""
        now = self.usage.get(profile_id, Usage(0, 0))
        self.usage[profile_id] = Usage(now.size + size, now.files + files)

    def answer_to(self, key: tuple[UUID, str], now: datetime) -> StoredOutcome | None:
        """Return the stored answer to a request; None without one, or once it has expired."""
        stored = self.answered.get(key)
        return stored if stored is not None and stored.until > now else None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Transaction"]:
        """Begin a transaction: its changes are made at the end, none of them if the block raises."""
        transaction = Transaction(self)
        try:
            yield transaction
            await asyncio.sleep(0)
            for change in transaction.changes:
                change()
        finally:
            transaction.release()


class Transaction:
    """The locks and the uncommitted changes of a transaction."""

    def __init__(self, store: Store) -> None:
        self.changes: list[Callable[[], None]] = []
        self._held: dict[Hashable, asyncio.Lock] = {}
        self._store = store

    async def hold(self, row: Hashable) -> None:
        """Lock a row. Raise `mesh.busy` if that takes too long."""
        await asyncio.sleep(0)
        if row in self._held:
            return
        lock = self._store.lock_of(row)
        try:
            await asyncio.wait_for(lock.acquire(), _LOCK_WAIT_S)
        except TimeoutError:
            raise MESH_BUSY.exception("A row is locked.") from None
        self._held[row] = lock

    def release(self) -> None:
        """Unlock everything."""
        for lock in self._held.values():
            lock.release()
