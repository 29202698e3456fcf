"""The state of the twins, and transactions that lock and commit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from apps.message.domain.messages import Channel, ChannelMembership, StoredMessage
from apps.message.ports import LockTimeout
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.fields import Role

LOCK_WAIT_S = 0.25
"""The longest wait of a batch for a lock."""
LOCK_TIMEOUT_S = 5.0
"""The longest wait of other transactions for a lock."""


class OutboxEvent(Struct, frozen=True):
    """An event in the outbox."""

    type: EventType
    key: UUID
    revision: int
    data: Answer


class Row(Struct):
    """A message and its request key."""

    stored: StoredMessage
    request_key: str


class Store:
    """The committed state, and the locks of the channels' rows."""

    def __init__(self) -> None:
        self.channels: dict[UUID, Channel] = {}
        self.channel_revisions: dict[UUID, int] = {}
        self.members: dict[tuple[UUID, UUID], tuple[Role | None, int]] = {}
        self.servers_gone: set[UUID] = set()
        self.servers_purged: set[UUID] = set()
        self.channels_purged: set[UUID] = set()
        self.messages: dict[UUID, list[Row]] = {}
        self.deleted_files: dict[UUID, datetime] = {}
        self.outbox: list[OutboxEvent] = []
        self._locks: dict[UUID, asyncio.Lock] = {}

    def lock_of(self, channel_id: UUID) -> asyncio.Lock:
        """Return the lock of a channel's row."""
        return self._locks.setdefault(channel_id, asyncio.Lock())

    def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership:
        """Return the channel and the role of a profile in it."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return ChannelMembership(channel=None, role=None)
        role, _ = self.members.get((channel.server_id, profile_id), (None, 0))
        return ChannelMembership(channel=replace(channel), role=role)

    def rows(self, channel_id: UUID) -> list[Row]:
        """Return the messages of a channel, the oldest first."""
        return self.messages.setdefault(channel_id, [])

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Transaction"]:
        """Begin a transaction: at the end all its changes are made or, when the block raises, none."""
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
    """The locks of a transaction and the changes that its commit makes."""

    def __init__(self, store: Store) -> None:
        self.held: list[asyncio.Lock] = []
        self.changes: list[Callable[[], None]] = []
        self._store = store

    async def lock(self, channel_id: UUID, wait_s: float | None) -> bool:
        """Lock a channel's row. Return False if it is locked and `wait_s` is None. Raises LockTimeout."""
        await asyncio.sleep(0)
        lock = self._store.lock_of(channel_id)
        if lock.locked() and wait_s is None:
            return False
        try:
            await asyncio.wait_for(lock.acquire(), wait_s)
        except TimeoutError:
            raise LockTimeout from None
        self.held.append(lock)
        return True


def copy_of(stored: StoredMessage) -> StoredMessage:
    """Return a copy, so that changes of it leave the committed state alone."""
    return replace(stored, message=replace(stored.message))
