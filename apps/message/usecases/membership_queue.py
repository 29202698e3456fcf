"""Drafts whose author our copy does not know as a member: the server service is queried for them."""

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

from apps.message.domain.sending import Draft
from apps.message.usecases.draft_queues import DraftQueue, DraftQueues, PendingDraft
from shared.contracts.clock import Clock
from shared.contracts.errors import INTERNAL_ERROR, ServiceError
from shared.membership.resolver import AccessQuery, Key, MembershipResolver

log = logging.getLogger(__name__)

OnConfirmed = Callable[[UUID, Sequence[PendingDraft]], None]


class MembershipQueue:
    """One queue for each author in a channel, so that the drafts of one author keep their order.

    A query is made for all drafts that wait when it begins. After an error they get it, and the next query is
    for the drafts that arrived meanwhile. Otherwise all drafts of the queue go to `on_confirmed`.
    """

    def __init__(self, resolver: MembershipResolver, clock: Clock, on_confirmed: OnConfirmed) -> None:
        self._resolver = resolver
        self._clock = clock
        self._on_confirmed = on_confirmed
        self._queues = DraftQueues(self._query)

    def __len__(self) -> int:
        """Return the number of authors in channels for whom a query is made."""
        return len(self._queues)

    def has_queue_for(self, draft: Draft) -> bool:
        """Return True if earlier drafts of this author in this channel wait here."""
        return self._queues.find((draft.channel_id, draft.profile_id)) is not None

    def append(self, pending: PendingDraft) -> None:
        """Add a draft behind those of the same author in the same channel."""
        self._queues.append((pending.draft.channel_id, pending.draft.profile_id), pending)

    async def close(self) -> None:
        """Stop all queries."""
        await self._queues.close()

    async def _query(self, key: Key, queue: DraftQueue) -> None:
        now_ms = self._clock.now().timestamp() * 1000
        awaited = [pending for pending in queue if pending.is_awaited(now_ms)]
        queue.clear()
        if not awaited:
            return
        error = await self._refresh([pending.draft for pending in awaited])
        if error is not None:
            for pending in awaited:
                pending.resolve(error)
            return
        for pending in awaited:
            pending.confirm_membership()
        self._on_confirmed(key[0], [*awaited, *queue])
        queue.clear()

    async def _refresh(self, drafts: Sequence[Draft]) -> ServiceError | None:
        """Bring our copy up to date for the author of these drafts; return the error if that fails."""
        last = max(drafts, key=lambda draft: draft.deadline_ms)
        query = AccessQuery(last.channel_id, last.profile_id, last.deadline_ms, last.correlation_id)
        try:
            await self._resolver.refresh(query)
        except ServiceError as error:
            return error
        except Exception:
            log.exception("a membership could not be learned")
            return INTERNAL_ERROR.exception("The message could not be stored.")
        return None
