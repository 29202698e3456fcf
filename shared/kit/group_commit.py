"""Group commit: whatever queued up while the last batch was being written is written next, together.

With one caller it is a batch of one and costs nothing; under load it divides the cost of a transaction
by the number of requests in it. (DeWitt et al., Implementation Techniques for Main Memory Database
Systems, 1984.)
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from shared.contracts.errors import INTERNAL_ERROR
from shared.kit.answers import Again, Asked, Later, ManyHandler, Outcome

log = logging.getLogger(__name__)

Settle = Callable[[Outcome], None]


class _Waiting(Struct):
    asked: Asked[Any]
    settle: Settle


class GroupCommit:
    """Hands queued requests to a handler, one batch at a time; the queue is bounded."""

    def __init__(self, handler: ManyHandler, *, batch_max: int, queue_max: int) -> None:
        self._handler = handler
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[_Waiting] = deque()
        self._aside: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def submit(self, asked: Asked[Any], settle: Settle) -> bool:
        """Queue a request; False when the queue is full. `settle` is called once with its outcome."""
        if len(self._queue) + len(self._aside) >= self._queue_max:
            return False
        self._push(_Waiting(asked, settle))
        return True

    def _push(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_max))]
            alive = [waiting for waiting in batch if not self._expired(waiting)]
            if alive:
                await self._handle(alive)

    def _expired(self, waiting: _Waiting) -> bool:
        call = waiting.asked.call
        if call.remaining_s() > 0:
            return False
        waiting.settle(call.expired())
        return True

    async def _handle(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._handler([waiting.asked for waiting in batch])
            if len(outcomes) != len(batch):
                raise RuntimeError(f"{len(batch)} requests had {len(outcomes)} outcomes")
        except Exception:  # noqa: BLE001 - whatever a handler raises, each request gets an answer
            log.exception("a batch of %d failed", len(batch))
            outcomes = [_internal_error()] * len(batch)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Later):
                self._put_aside(waiting, outcome)
            else:
                waiting.settle(outcome)

    def _put_aside(self, waiting: _Waiting, later: Later) -> None:
        task = asyncio.create_task(self._wait(waiting, later))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _wait(self, waiting: _Waiting, later: Later) -> None:
        outcome: Outcome | Again
        try:
            async with asyncio.timeout(waiting.asked.call.remaining_s()):
                outcome = await later.outcome
        except TimeoutError:
            outcome = waiting.asked.call.expired()
        except Exception:  # noqa: BLE001 - as above
            log.exception("a request that was put aside failed")
            outcome = _internal_error()
        if isinstance(outcome, Again):
            self._push(waiting)
        else:
            waiting.settle(outcome)


def _internal_error() -> Outcome:
    return INTERNAL_ERROR.error("The request could not be carried out.")
