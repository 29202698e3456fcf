"""Drafts of channels that another transaction has locked: each channel's lock is waited for."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from apps.message.domain.sending import Deferral, Draft
from apps.message.usecases.draft_queues import DraftQueue, DraftQueues, PendingDraft
from apps.message.usecases.membership_queue import MembershipQueue
from apps.message.usecases.send_message import BatchWriter
from shared.contracts.clock import Clock


class LockQueue:
    """One queue for each locked channel, so that its drafts keep their order.

    A draft whose membership turns out to be unknown goes on to the membership queue, and so do later drafts
    of the same author.
    """

    def __init__(
        self,
        writer: BatchWriter,
        membership_queue: MembershipQueue,
        clock: Clock,
        *,
        batch_max: int,
        channels_max: int,
    ) -> None:
        self._writer = writer
        self._membership_queue = membership_queue
        self._clock = clock
        self._batch_max = batch_max
        self._slots = asyncio.Semaphore(channels_max)
        self._queues = DraftQueues(self._write_next)

    def __len__(self) -> int:
        """Return the number of channels whose lock is waited for."""
        return len(self._queues)

    def has_queue_for(self, draft: Draft) -> bool:
        """Return True if earlier drafts of this channel wait here."""
        return self._queues.find(draft.channel_id) is not None

    def append(self, pending: PendingDraft) -> None:
        """Add a draft behind the others of its channel."""
        self._queues.append(pending.draft.channel_id, pending)

    def put_first(self, channel_id: UUID, drafts: Iterable[PendingDraft]) -> None:
        """Add drafts of a channel before those that wait: they were sent earlier."""
        self._queues.put_first(channel_id, drafts)

    async def close(self) -> None:
        """Stop waiting for locks."""
        await self._queues.close()

    async def _write_next(self, channel_id: UUID, queue: DraftQueue) -> None:
        async with self._slots:
            batch = self._take_batch(queue)
            decisions = await self._writer.write([pending.draft for pending in batch], wait=True)
        locked = []
        for pending, decision in zip(batch, decisions, strict=True):
            if decision is Deferral.LOCKED:
                locked.append(pending)
            elif decision is Deferral.MEMBERSHIP_UNKNOWN:
                self._membership_queue.append(pending)
            else:
                pending.resolve(decision)
        self.put_first(channel_id, locked)

    def _take_batch(self, queue: DraftQueue) -> list[PendingDraft]:
        """Take the next drafts that callers still wait for, without those behind a query for their author."""
        batch: list[PendingDraft] = []
        now_ms = self._clock.now().timestamp() * 1000
        while queue and len(batch) < self._batch_max:
            pending = queue.popleft()
            if self._membership_queue.has_queue_for(pending.draft):
                self._membership_queue.append(pending)
            elif pending.is_awaited(now_ms):
                batch.append(pending)
        return batch
