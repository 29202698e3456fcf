"""Lanes: work with the same key is done in order, work with different keys side by side.

The next poll never waits for the slowest handler: taking a job never blocks. Both the jobs of one
lane and all jobs together are bounded; a job past a bound is refused, which stops no other lane.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


class KeyedExecutor:
    """Runs jobs by key. A job tells by itself what became of it; one that raises is logged."""

    def __init__(self, *, lane_max: int, jobs_max: int) -> None:
        self._lane_max = lane_max
        self._jobs_max = jobs_max
        self._waiting: dict[bytes, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._jobs = 0

    def __len__(self) -> int:
        """Jobs that wait or run."""
        return self._jobs

    def submit(self, key: bytes, job: Job) -> bool:
        """Take a job for the lane of `key`; False when the lane or the whole is full."""
        lane = self._waiting.get(key)
        if self._jobs >= self._jobs_max or (lane is not None and len(lane) >= self._lane_max):
            return False
        self._jobs += 1
        if lane is not None:
            lane.append(job)
            return True
        self._waiting[key] = lane = deque((job,))
        task = asyncio.create_task(self._run(key, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run(self, key: bytes, lane: deque[Job]) -> None:
        try:
            while lane:
                await self._do(lane.popleft())
        finally:
            # A cancelled lane must not keep its waiting jobs counted for ever.
            self._jobs -= len(lane)
            del self._waiting[key]

    async def _do(self, job: Job) -> None:
        try:
            await job()
        except Exception:
            log.exception("a job failed")
        finally:
            self._jobs -= 1
