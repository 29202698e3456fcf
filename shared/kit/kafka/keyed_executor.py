"""Run jobs with the same key in order, and jobs with different keys concurrently.

Submitting never blocks, so the next poll never waits for the slowest handler. Both the jobs of one key and
all jobs together are bounded; a job beyond a bound is rejected, which does not affect other keys.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


class KeyedExecutor:
    """Runs jobs by key. A job reports its outcome itself; an exception is only logged."""

    def __init__(self, *, per_key_max: int, jobs_max: int) -> None:
        self._per_key_max = per_key_max
        self._jobs_max = jobs_max
        self._queues: dict[bytes, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._jobs = 0

    def __len__(self) -> int:
        """Return how many jobs wait or run."""
        return self._jobs

    def submit(self, key: bytes, job: Job) -> bool:
        """Queue a job behind the others of its key; return False if the key or the whole is full."""
        queue = self._queues.get(key)
        if self._jobs >= self._jobs_max or (queue is not None and len(queue) >= self._per_key_max):
            return False
        self._jobs += 1
        if queue is not None:
            queue.append(job)
            return True
        self._queues[key] = queue = deque((job,))
        task = asyncio.create_task(self._run_all(key, queue))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run_all(self, key: bytes, queue: deque[Job]) -> None:
        try:
            while queue:
                await self._run(queue.popleft())
        finally:
            # If this task is cancelled, its waiting jobs must not stay counted.
            self._jobs -= len(queue)
            del self._queues[key]

    async def _run(self, job: Job) -> None:
        try:
            await job()
        except Exception:
            log.exception("a job failed")
        finally:
            self._jobs -= 1
