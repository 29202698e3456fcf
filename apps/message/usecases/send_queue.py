"""Write drafts as they arrive; those that cannot be decided now wait and hold up no others."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from apps.message.domain.sending import Deferral, Draft
from apps.message.ports import SendUnitOfWorkFactory
from apps.message.usecases.draft_queues import Outcome, PendingDraft
from apps.message.usecases.lock_queue import LockQueue
from apps.message.usecases.membership_queue import MembershipQueue
from apps.message.usecases.send_message import BatchWriter
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import MESH_BUSY
from shared.membership.resolver import MembershipResolver


class QueueLimits(Struct, frozen=True, kw_only=True):
    """Bounds of the queues."""

    waiting_max: int = 2048
    """Drafts in all queues; more are answered with `mesh.busy`."""
    lock_batch_max: int = 256
    """Drafts of a locked channel that are written at once."""
    locked_channels_max: int = 4
    """Locked channels waited for at once, each with a connection."""


class SendQueue:
    """Write drafts in batches. The drafts of an author in a channel keep their order.

    ::

        send ───► direct write ──────────────────────────────► outcome
                   │        │                                  ▲  ▲
            locked │        │ membership unknown               │  │
                   │        ▼                                  │  │
                   │   membership queue ── denied, too late ───┘  │
                   │        │        ▲                            │
                   │        │        │ membership unknown         │
                   │        │ confirmed (to the front)            │
                   ▼        ▼        │                            │
                  lock queue ────────┴── written, too late ───────┘

    * A locked channel defers its own drafts; later drafts of the channel queue behind them.
    * An author who is not known as a member defers their own drafts in that channel, no others.
    * When the queues are full, a draft that would have to wait is answered with `mesh.busy`.
    """

    def __init__(
        self,
        unit_of_work: SendUnitOfWorkFactory,
        resolver: MembershipResolver,
        clock: Clock,
        ids: Ids,
        limits: QueueLimits | None = None,
    ) -> None:
        limits = limits or QueueLimits()
        self._waiting_max = limits.waiting_max
        self._waiting = 0
        self._writer = BatchWriter(unit_of_work, clock, ids)
        self._membership_queue = MembershipQueue(
            resolver, clock, lambda channel_id, drafts: self._lock_queue.put_first(channel_id, drafts)
        )
        self._lock_queue = LockQueue(
            self._writer,
            self._membership_queue,
            clock,
            batch_max=limits.lock_batch_max,
            channels_max=limits.locked_channels_max,
        )

    async def send(self, drafts: Sequence[Draft]) -> "list[Outcome | asyncio.Future[Outcome]]":
        """Return an outcome for each draft, in their order; a future of it for a draft that waits."""
        queued = [self._follow(draft) for draft in drafts] if self._waiting else [None] * len(drafts)
        direct = [draft for draft, outcome in zip(drafts, queued, strict=True) if outcome is None]
        decisions = await self._writer.write(direct, wait=False)
        written = [
            self._defer(draft, decision) if isinstance(decision, Deferral) else decision
            for draft, decision in zip(direct, decisions, strict=True)
        ]
        if len(written) == len(drafts):
            return written
        remaining = iter(written)
        return [next(remaining) if outcome is None else outcome for outcome in queued]

    async def close(self) -> None:
        """Stop the queues; the outcomes of the drafts in them stay pending."""
        await asyncio.gather(self._membership_queue.close(), self._lock_queue.close())

    def _follow(self, draft: Draft) -> "Outcome | asyncio.Future[Outcome] | None":
        """Queue a draft behind earlier ones of its author or channel; return None if none waits."""
        if self._membership_queue.has_queue_for(draft):
            return self._enqueue(draft, self._membership_queue)
        if self._lock_queue.has_queue_for(draft):
            return self._enqueue(draft, self._lock_queue)
        return None

    def _defer(self, draft: Draft, reason: Deferral) -> "Outcome | asyncio.Future[Outcome]":
        return self._enqueue(draft, self._lock_queue if reason is Deferral.LOCKED else self._membership_queue)

    def _enqueue(
        self, draft: Draft, queue: LockQueue | MembershipQueue
    ) -> "Outcome | asyncio.Future[Outcome]":
        if self._waiting >= self._waiting_max:
            return MESH_BUSY.exception("Too many messages wait for their channel or their author.")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        outcome.add_done_callback(self._on_done)
        queue.append(PendingDraft(draft, outcome))
        return outcome

    def _on_done(self, _: object) -> None:
        self._waiting -= 1
