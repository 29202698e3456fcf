"""Batches of sends, in memory."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec.structs import replace

from apps.message.domain.messages import Channel, Stored
from apps.message.domain.sending import Draft, NumberedMessage, PriorState
from apps.message.ports import Locked, SendUnit
from shared.contracts.event import MESSAGE_CREATED
from tests.fakes.message.store import LOCK_WAIT_S, Row, Store, Told, Transaction, copy_of


class MemorySending:
    """Where batches of sends are written."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SendUnit]:
        """Committed at the end."""
        async with self._store.begin() as transaction:
            yield MemorySendUnit(self._store, transaction)


class MemorySendUnit:
    """One transaction of a batch of sends."""

    def __init__(self, store: Store, transaction: Transaction) -> None:
        self._store = store
        self._transaction = transaction

    async def lock(self, channel_ids: Collection[UUID], *, wait: bool) -> Locked:
        """Lock the channels' rows; those locked elsewhere are left out, or waited for a bounded time."""
        channels: dict[UUID, Channel] = {}
        elsewhere = set()
        for channel_id in sorted(channel_ids):
            if channel_id not in self._store.channels:
                continue
            if await self._transaction.hold(channel_id, LOCK_WAIT_S if wait else None):
                channels[channel_id] = replace(self._store.channels[channel_id])
            else:
                elsewhere.add(channel_id)
        return Locked(channels, frozenset(elsewhere))

    async def known(self, drafts: Sequence[Draft], channels: Mapping[UUID, Channel]) -> list[PriorState]:
        """What is stored about the drafts, in their order."""
        return [self._known(draft, channels.get(draft.channel_id)) for draft in drafts]

    def _known(self, draft: Draft, channel: Channel | None) -> PriorState:
        if channel is None:
            return PriorState(role=None)
        own = [
            row
            for row in self._store.rows(draft.channel_id)
            if row.stored.message.profile_id == draft.profile_id
        ]
        return PriorState(
            role=self._store.gate(draft.channel_id, draft.profile_id).role,
            same_request=_first(row for row in own if row.request_key == draft.request_key),
            same_nonce=_first(row for row in own if draft.nonce and row.stored.message.nonce == draft.nonce),
        )

    async def deleted_files(self, file_ids: Collection[UUID]) -> frozenset[UUID]:
        """Those of these files that are known to be deleted."""
        return frozenset(self._store.deleted_files.keys() & set(file_ids))

    async def add(self, news: Sequence[NumberedMessage], channels: Iterable[Channel]) -> None:
        """Store the messages, the channels' counters and an event `message.created` for each message."""
        changed = list(channels)
        self._transaction.changes.append(lambda: self._commit(news, changed))

    def _commit(self, news: Sequence[NumberedMessage], channels: Sequence[Channel]) -> None:
        for new in news:
            message = replace(new.message)
            stored = Stored(message=message, fingerprint=new.draft.fingerprint)
            self._store.rows(message.channel_id).append(Row(stored, new.draft.request_key))
            told = Told(MESSAGE_CREATED, message.server_id, new.revision, replace(message))
            self._store.outbox.append(told)
        for channel in channels:
            committed = self._store.channels[channel.id]
            committed.last_sequence = channel.last_sequence
            committed.messages_revision = channel.messages_revision


def _first(rows: Iterable[Row]) -> Stored | None:
    return next((copy_of(row.stored) for row in rows), None)
