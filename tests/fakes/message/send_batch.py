"""Batches of sends, in memory."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec.structs import replace

from apps.message.domain.messages import Channel, StoredMessage
from apps.message.domain.sending import Draft, NumberedMessage, PriorState
from apps.message.ports import LockedChannels, SendUnitOfWork
from shared.contracts.event import MESSAGE_CREATED
from tests.fakes.message.store import LOCK_WAIT_S, OutboxEvent, Row, Store, Transaction, copy_of


class MemorySendUnitOfWorkFactory:
    """`apps.message.ports.SendUnitOfWorkFactory` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SendUnitOfWork]:
        """Begin a transaction; commit it at the end."""
        async with self._store.begin() as transaction:
            yield MemorySendUnitOfWork(self._store, transaction)


class MemorySendUnitOfWork:
    """`apps.message.ports.SendUnitOfWork` in memory."""

    def __init__(self, store: Store, transaction: Transaction) -> None:
        self._store = store
        self._transaction = transaction

    async def lock(self, channel_ids: Collection[UUID], *, wait: bool) -> LockedChannels:
        """Lock the channels' rows; leave out those locked elsewhere, or wait for a bounded time."""
        channels: dict[UUID, Channel] = {}
        elsewhere = set()
        for channel_id in sorted(channel_ids):
            if channel_id not in self._store.channels:
                continue
            if await self._transaction.lock(channel_id, LOCK_WAIT_S if wait else None):
                channels[channel_id] = replace(self._store.channels[channel_id])
            else:
                elsewhere.add(channel_id)
        return LockedChannels(channels, frozenset(elsewhere))

    async def prior_states(
        self, drafts: Sequence[Draft], channels: Mapping[UUID, Channel]
    ) -> list[PriorState]:
        """Return the stored state of each draft, in their order."""
        return [self._prior_state(draft, channels.get(draft.channel_id)) for draft in drafts]

    def _prior_state(self, draft: Draft, channel: Channel | None) -> PriorState:
        if channel is None:
            return PriorState(role=None)
        own = [
            row
            for row in self._store.rows(draft.channel_id)
            if row.stored.message.profile_id == draft.profile_id
        ]
        return PriorState(
            role=self._store.membership(draft.channel_id, draft.profile_id).role,
            same_request=_first(row for row in own if row.request_key == draft.request_key),
            same_nonce=_first(row for row in own if draft.nonce and row.stored.message.nonce == draft.nonce),
        )

    async def deleted_files(self, file_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of these files that are known to be deleted."""
        return frozenset(self._store.deleted_files.keys() & set(file_ids))

    async def add(self, messages: Sequence[NumberedMessage], channels: Iterable[Channel]) -> None:
        """Store the messages, the channels' counters and an event `message.created` for each message."""
        changed = list(channels)
        self._transaction.changes.append(lambda: self._commit(messages, changed))

    def _commit(self, messages: Sequence[NumberedMessage], channels: Sequence[Channel]) -> None:
        for numbered in messages:
            message = replace(numbered.message)
            stored = StoredMessage(message=message, fingerprint=numbered.draft.fingerprint)
            self._store.rows(message.channel_id).append(Row(stored, numbered.draft.request_key))
            self._store.outbox.append(
                OutboxEvent(MESSAGE_CREATED, message.server_id, numbered.revision, replace(message))
            )
        for channel in channels:
            committed = self._store.channels[channel.id]
            committed.last_sequence = channel.last_sequence
            committed.messages_revision = channel.messages_revision


def _first(rows: Iterable[Row]) -> StoredMessage | None:
    return next((copy_of(row.stored) for row in rows), None)
