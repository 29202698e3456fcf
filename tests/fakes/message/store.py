"""What the twins keep, and how their transactions lock and commit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from apps.message.domain.messages import Channel, ChannelMembership, Stored
from apps.message.ports import StillLocked
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.fields import Role

LOCK_WAIT_S = 0.25


class Told(Struct, frozen=True):
    """An event in the outbox."""

    kind: EventType
    key: UUID
    revision: int
    data: Answer


class Row(Struct):
    """A message and what it is known by."""

    stored: Stored
    request_key: str


class Store:
    """What is committed, and who holds which channel's row."""

    def __init__(self) -> None:
        self.channels: dict[UUID, Channel] = {}
        self.channel_revisions: dict[UUID, int] = {}
        self.members: dict[tuple[UUID, UUID], tuple[Role | None, int]] = {}
        self.servers_gone: set[UUID] = set()
        self.servers_purged: set[UUID] = set()
        self.channels_purged: set[UUID] = set()
        self.messages: dict[UUID, list[Row]] = {}
        self.deleted_files: dict[UUID, datetime] = {}
        self.outbox: list[Told] = []
        self._locks: dict[UUID, asyncio.Lock] = {}

    def lock_of(self, channel_id: UUID) -> asyncio.Lock:
        """The lock of a channel's row."""
        return self._locks.setdefault(channel_id, asyncio.Lock())

    def gate(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """What is known about a profile in a channel."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return ChannelMembership(channel=None, role=None)
        role, _ = self.members.get((channel.server_id, profile_id), (None, 0))
        return ChannelMembership(channel=replace(channel), role=role)

    def rows(self, channel_id: UUID) -> list[Row]:
        """The messages of a channel, the oldest first."""
        return self.messages.setdefault(channel_id, [])

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
            for lock in transaction.held:
                lock.release()


class Transaction:
    """The locks it holds and the changes it will make."""

    def __init__(self, store: Store) -> None:
        self.held: list[asyncio.Lock] = []
        self.changes: list[Callable[[], None]] = []
        self._store = store

    async def hold(self, channel_id: UUID, wait_s: float | None) -> bool:
        """Lock a channel's row; False when it is locked and not to be waited for. Raises StillLocked."""
        await asyncio.sleep(0)
        lock = self._store.lock_of(channel_id)
        if lock.locked() and wait_s is None:
            return False
        try:
            await asyncio.wait_for(lock.acquire(), wait_s)
        except TimeoutError:
            raise StillLocked from None
        self.held.append(lock)
        return True


def copy_of(stored: Stored) -> Stored:
    """So that nobody changes what is committed."""
    return replace(stored, message=replace(stored.message))
