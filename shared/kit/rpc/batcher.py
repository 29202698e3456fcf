"""Group commit: the requests that were queued while a batch was processed form the next batch.

With one caller that is a batch of one and costs nothing; under load it divides the cost of a transaction by
the number of requests in it. Source: DeWitt et al., Implementation Techniques for Main Memory Database
Systems, SIGMOD 1984.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from shared.kit.rpc.handlers import BatchHandler, Deferred, Received, Result, error_of_exception

OnResult = Callable[[Result], None]


class _Queued(Struct):
    received: Received[Any]
    on_result: OnResult


class Batcher:
    """Passes queued requests to a handler, one batch at a time. The queue is bounded."""

    def __init__(self, handler: BatchHandler, *, batch_max: int, queue_max: int) -> None:
        self._handler = handler
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[_Queued] = deque()
        self._deferred: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def submit(self, received: Received[Any], on_result: OnResult) -> bool:
        """Queue a request; return False if the queue is full. `on_result` is called once, with its result."""
        if len(self._queue) + len(self._deferred) >= self._queue_max:
            return False
        self._queue.append(_Queued(received, on_result))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return True

    async def _run(self) -> None:
        while self._queue:
            batch = self._next_batch()
            if not batch:
                continue
            for queued, result in zip(batch, await self._handle(batch), strict=True):
                if isinstance(result, Deferred):
                    self._defer(queued, result)
                else:
                    queued.on_result(result)

    def _next_batch(self) -> list[_Queued]:
        """Take requests from the queue; those that are past their deadlines are expired at once."""
        batch = []
        for _ in range(min(len(self._queue), self._batch_max)):
            queued = self._queue.popleft()
            call = queued.received.call
            if call.remaining_s() > 0:
                batch.append(queued)
            else:
                queued.on_result(call.expired())
        return batch

    async def _handle(self, batch: list[_Queued]) -> Sequence[Result | Deferred]:
        """Return a result for each request. A handler has until the last of their deadlines."""
        requests = [queued.received for queued in batch]
        try:
            async with asyncio.timeout_at(max(received.call.expires_at_s for received in requests)):
                results = await self._handler(requests)
            if len(results) != len(batch):
                raise RuntimeError(f"{len(batch)} requests had {len(results)} results")
            return results
        except BaseException as raised:  # noqa: BLE001 - `error_of_exception` raises it again if need be
            return [error_of_exception(raised, requests[0].call)] * len(batch)

    def _defer(self, queued: _Queued, deferred: Deferred) -> None:
        task = asyncio.create_task(self._finish(queued, deferred))
        self._deferred.add(task)
        task.add_done_callback(self._deferred.discard)

    async def _finish(self, queued: _Queued, deferred: Deferred) -> None:
        call = queued.received.call
        try:
            async with asyncio.timeout_at(call.expires_at_s):
                result = await deferred.outcome
        except BaseException as raised:  # noqa: BLE001 - `error_of_exception` raises it again if need be
            result = error_of_exception(raised, call)
        queued.on_result(result)
