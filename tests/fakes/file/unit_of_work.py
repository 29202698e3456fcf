"""`apps.file.ports.UnitOfWork` in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec.structs import replace

from apps.file.domain.files import ChannelMembership, FileRecord, Usage
from apps.file.ports import StoredAnswer, UnitOfWork
from shared.contracts.base import Answer
from shared.contracts.clock import Clock
from shared.contracts.errors import ServiceError
from shared.contracts.event import EventType
from shared.contracts.file import File
from shared.kit.database.idempotency import KEY_LIFE, REDELIVERY_LIFE
from shared.kit.wire.call import Call
from tests.fakes.file.store import OutboxEvent, Row, Store, StoredOutcome, Transaction


class MemoryUnitOfWorkFactory:
    """Transactions on one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """Begin a transaction: committed at the end, rolled back when the block raises."""
        async with self._store.begin() as transaction:
            yield MemoryUnitOfWork(self._store, transaction, self._clock)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        """Begin a read-only transaction."""
        async with self._store.begin() as transaction:
            yield MemoryUnitOfWork(self._store, transaction, self._clock)

    async def run_once(
        self,
        call: Call,
        profile_id: UUID,
        work: Callable[[UnitOfWork], Awaitable[File | ServiceError]],
        *,
        store_errors: bool = True,
    ) -> File:
        """Do the work in a transaction, unless the call has a stored answer: then return that one."""
        key = _key_of(call, profile_id)
        async with self._store.begin() as transaction:
            await transaction.hold(key)
            answered = self._store.answer_to(key, self._clock.now())
            if answered is None:
                answered = await self._answer(call, work, transaction, store_errors)
                transaction.changes.append(partial(self._store.answered.update, {key: answered}))
        return answered.answer(call.body)

    async def _answer(
        self,
        call: Call,
        work: Callable[[UnitOfWork], Awaitable[File | ServiceError]],
        transaction: Transaction,
        store_errors: bool,
    ) -> StoredOutcome:
        """Do the work. An error that it raises undoes it, an error that it returns does not."""
        outcome: File | ServiceError
        try:
            outcome = await work(MemoryUnitOfWork(self._store, transaction, self._clock))
        except ServiceError as error:
            if error.code.status >= 500 or not store_errors:
                raise
            transaction.changes.clear()
            outcome = error
        life = REDELIVERY_LIFE if call.idempotency_key is None else KEY_LIFE
        return StoredOutcome(call.body, outcome, self._clock.now() + life)


class MemoryUnitOfWork:
    """One transaction."""

    def __init__(self, store: Store, transaction: Transaction, clock: Clock) -> None:
        self._store = store
        self._transaction = transaction
        self._clock = clock

    async def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership | None:
        """Return what our copy knows of a profile in a channel; None for an unknown channel."""
        return self._store.membership(channel_id, profile_id)

    async def lock_usage(self, profile_id: UUID) -> Usage:
        """Return the usage of a person, locked until the end of the transaction."""
        await self._transaction.hold(("usage", profile_id))
        return self._store.usage.get(profile_id, Usage(0, 0))

    async def charge(self, profile_id: UUID, size: int, files: int) -> None:
        """Add these bytes and files to a person's usage; negative numbers release them."""
        self._transaction.changes.append(lambda: self._store.charge(profile_id, size, files))

    async def add(self, record: FileRecord) -> None:
        """Store a new file."""
        row = Row(_copy_of(record))
        self._transaction.changes.append(lambda: self._store.files.update({record.file.id: row}))

    async def find(self, file_id: UUID, *, lock: bool = False) -> FileRecord | None:
        """Return a file or the tombstone of one; `lock` locks its row until the end of the transaction."""
        if lock:
            await self._transaction.hold(file_id)
        row = self._store.files.get(file_id)
        return None if row is None else _copy_of(row.record)

    async def find_all(self, file_ids: Sequence[UUID]) -> list[FileRecord]:
        """Return the existing files among these, in any order."""
        existing = set(file_ids) & self._store.files.keys()
        return [_copy_of(self._store.files[file_id].record) for file_id in existing]

    async def update(self, record: FileRecord) -> None:
        """Store the changeable fields of a file."""
        self._change(_copy_of(record), None)

    async def mark_deleted(self, record: FileRecord, call_id: str, now: datetime) -> None:
        """Turn it into a tombstone; its bytes are purged from now on."""
        self._change(replace(_copy_of(record), deleted=True, deleting_call=call_id, purge_at=now), now)

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""
        event = OutboxEvent(event_type, key, revision, replace(data))
        self._transaction.changes.append(lambda: self._store.outbox.append(event))

    async def find_stored(self, call: Call, profile_id: UUID) -> StoredAnswer | None:
        """Return the stored answer to this call; None without one."""
        stored = self._store.answer_to(_key_of(call, profile_id), self._clock.now())
        return None if stored is None else stored.answer

    def _change(self, record: FileRecord, deleted_at: datetime | None) -> None:
        def commit() -> None:
            row = self._store.files[record.file.id]
            row.record, row.deleted_at = record, deleted_at or row.deleted_at

        self._transaction.changes.append(commit)


def _copy_of(record: FileRecord) -> FileRecord:
    """Return a copy, so that no caller changes the committed state."""
    return replace(record, file=replace(record.file))


def _key_of(call: Call, profile_id: UUID) -> tuple[UUID, str]:
    return profile_id, call.idempotency_key or f"call {call.operation.name} {call.call_id}"
