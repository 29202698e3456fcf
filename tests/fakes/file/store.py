"""What the twins keep, and how their transactions lock and commit."""

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
    """A file, and when it was buried."""

    record: FileRecord
    deleted_at: datetime | None = None


class Channel(Struct):
    """A channel that was heard of."""

    server_id: UUID
    deleted: bool = False


class Answered(Struct, frozen=True):
    """What a request was answered with, its body, and until when it is known."""

    asked: bytes
    outcome: File | ServiceError
    until: datetime

    def answer(self, body: bytes) -> File:
        """The same postponed. Raises the refusal, `idempotency.mismatch` for another body."""
        if self.asked != body:
            raise IDEMPOTENCY_MISMATCH.exception("This key was used for another body before.")
        if isinstance(self.outcome, ServiceError):
            raise self.outcome
        return replace(self.outcome)


class Store:
    """What is committed, and who holds which row."""

    def __init__(self) -> None:
        self.files: dict[UUID, Row] = {}
        self.usage: dict[UUID, Usage] = {}
        self.channels: dict[UUID, Channel] = {}
        self.members: dict[tuple[UUID, UUID], tuple[Role | None, int]] = {}
        self.servers_gone: set[UUID] = set()
        self.purged: set[UUID] = set()
        """Channels and servers."""
        self.answered: dict[tuple[UUID, str], Answered] = {}
        self.outbox: list[OutboxEvent] = []
        self._locks: dict[Hashable, asyncio.Lock] = {}

    def lock_of(self, row: Hashable) -> asyncio.Lock:
        """The lock of a row."""
        return self._locks.setdefault(row, asyncio.Lock())

    def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership | None:
        """What is known about a profile in a channel."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return None
        role, _ = self.members.get((channel.server_id, profile_id), (None, 0))
        return ChannelMembership(server_id=channel.server_id, deleted=channel.deleted, role=role)

    def charge(self, profile_id: UUID, size: int, files: int) -> None:
        """Count so many bytes and files more, or less, against a person."""
        now = self.usage.get(profile_id, Usage(0, 0))
        self.usage[profile_id] = Usage(now.size + size, now.files + files)

    def answer_to(self, key: tuple[UUID, str], now: datetime) -> Answered | None:
        """What a request was answered with, as long as it is known."""
        found = self.answered.get(key)
        return found if found is not None and found.until > now else None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Transaction"]:
        """A transaction: its changes are made at the end, all of them or, when the block raises, none."""
        transaction = Transaction(self)
        try:
            yield transaction
            await asyncio.sleep(0)
            for change in transaction.changes:
                change()
        finally:
            transaction.release()


class Transaction:
    """The locks it holds and the changes it will make."""

    def __init__(self, store: Store) -> None:
        self.changes: list[Callable[[], None]] = []
        self._held: dict[Hashable, asyncio.Lock] = {}
        self._store = store

    async def hold(self, row: Hashable) -> None:
        """Lock a row; raises `mesh.busy` when that takes too long."""
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
