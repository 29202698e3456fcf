"""Group commit: whatever queued up while the last batch was being written is written next, together.

With one caller it is a batch of one and costs nothing; under load it divides the cost of a transaction
by the number of requests in it. (DeWitt et al., Implementation Techniques for Main Memory Database
Systems, 1984.)
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from shared.contracts.errors import INTERNAL_ERROR, ServiceError
from shared.kit.rpc.handlers import BatchHandler, Deferred, Received, Result

log = logging.getLogger(__name__)

T = TypeVar("T")
Settle = Callable[[Result], None]


class _Waiting(Struct):
    asked: Received[Any]
    settle: Settle


class Batcher:
    """Hands queued requests to a handler, one batch at a time; the queue is bounded."""

    def __init__(self, handler: BatchHandler, *, batch_max: int, queue_max: int) -> None:
        self._handler = handler
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[_Waiting] = deque()
        self._aside: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def submit(self, asked: Received[Any], settle: Settle) -> bool:
        """Queue a request; False when the queue is full. `settle` is called once with its outcome."""
        if len(self._queue) + len(self._aside) >= self._queue_max:
            return False
        self._queue.append(_Waiting(asked, settle))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return True

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
        for waiting, outcome in zip(batch, await self._outcomes(batch), strict=True):
            if isinstance(outcome, Deferred):
                self._put_aside(waiting, outcome)
            else:
                waiting.settle(outcome)

    async def _outcomes(self, batch: list[_Waiting]) -> Sequence[Result | Deferred]:
        """One for each; a handler that hangs is given up when nobody waits for it any longer."""

        async def handle() -> Sequence[Result | Deferred]:
            async with asyncio.timeout(max(waiting.asked.call.remaining_s() for waiting in batch)):
                return await self._handler([waiting.asked for waiting in batch])

        outcomes = await _carefully(handle())
        if isinstance(outcomes, _Late):
            return [waiting.asked.call.expired() for waiting in batch]
        if isinstance(outcomes, ServiceError):
            return [outcomes] * len(batch)
        if len(outcomes) != len(batch):
            log.error("%d requests had %d outcomes", len(batch), len(outcomes))
            return [_internal_error()] * len(batch)
        return outcomes

    def _put_aside(self, waiting: _Waiting, later: Deferred) -> None:
        task = asyncio.create_task(self._wait(waiting, later))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _wait(self, waiting: _Waiting, later: Deferred) -> None:
        call = waiting.asked.call

        async def wait() -> Result:
            async with asyncio.timeout(call.remaining_s()):
                return await later.outcome

        outcome = await _carefully(wait())
        waiting.settle(call.expired() if isinstance(outcome, _Late) else outcome)


class _Late:
    """It was not done before the deadline."""


async def _carefully(work: Awaitable[T]) -> T | ServiceError | _Late:
    """What the work returns; whatever it raises becomes an outcome, so that nobody waits in vain."""
    try:
        return await work
    except ServiceError as error:
        return error
    except TimeoutError:
        return _Late()
    except asyncio.CancelledError:
        if being_cancelled():
            raise
        log.error("a batch waited for something that was cancelled")
    except Exception:
        log.exception("a batch failed")
    return _internal_error()


def being_cancelled() -> bool:
    """Whether somebody wants this very task to end, rather than something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _internal_error() -> ServiceError:
    return INTERNAL_ERROR.exception("The request could not be carried out.")
