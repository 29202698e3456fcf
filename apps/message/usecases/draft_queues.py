"""Queues of drafts that cannot be written now, and the task of each that works it off."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from apps.message.domain.sending import Draft, SendResult, too_late
from shared.contracts.errors import ServiceError

Key = TypeVar("Key", bound=Hashable)

Outcome = SendResult | ServiceError


class PendingDraft(Struct):
    """A draft in a queue, and the future of its outcome. A cancelled future means that its caller gave up."""

    draft: Draft
    outcome: "asyncio.Future[Outcome]"

    def resolve(self, outcome: Outcome) -> None:
        """Set the outcome, unless it is set already or its caller gave up."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def is_awaited(self, now_ms: float) -> bool:
        """Return True if a caller still waits for the outcome. After the deadline resolve it as too late."""
        if self.draft.deadline_ms <= now_ms:
            self.resolve(too_late())
        return not self.outcome.done()

    def confirm_membership(self) -> None:
        """Note that our copy of the membership is fresh: it decides now."""
        self.draft = replace(self.draft, with_fresh_membership=True)


DraftQueue = deque[PendingDraft]


class DraftQueues(Generic[Key]):
    """Queues by key. A task works each off, step by step, and removes it once it is empty."""

    def __init__(self, step: Callable[[Key, DraftQueue], Awaitable[None]]) -> None:
        self._step = step
        self._queues: dict[Key, DraftQueue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return the number of queues."""
        return len(self._queues)

    def find(self, key: Key) -> DraftQueue | None:
        """Return the queue of a key, None if no draft of it waits."""
        return self._queues.get(key)

    def append(self, key: Key, pending: PendingDraft) -> None:
        """Add a draft at the end of its queue."""
        self._open(key).append(pending)

    def put_first(self, key: Key, drafts: Iterable[PendingDraft]) -> None:
        """Add drafts, in their order, at the front of their queue."""
        queue = self._open(key)
        queue.extendleft(reversed(list(drafts)))

    async def close(self) -> None:
        """Stop all tasks. The outcomes of the drafts in the queues stay pending."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _open(self, key: Key) -> DraftQueue:
        if key not in self._queues:
            self._queues[key] = deque()
            task = asyncio.create_task(self._work_off(key, self._queues[key]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._queues[key]

    async def _work_off(self, key: Key, queue: DraftQueue) -> None:
        while queue:
            await self._step(key, queue)
        del self._queues[key]
