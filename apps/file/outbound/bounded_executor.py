"""Threads for blocking calls: a bounded number at once, a bounded number waiting, none for long."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from shared.contracts.errors import MESH_BUSY

T = TypeVar("T")

WAITING_MAX = 512
WAIT_TIMEOUT_S = 2.0


class BoundedExecutor:
    """A thread pool for one sort of calls, so that none waits behind another sort. Close it at the end."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(threads)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in a thread. Raises `mesh.busy` if too many calls wait, or no thread is free soon.

        A caller that is cancelled leaves the thread at work: it is free again when the work really ends.
        """
        await self._acquire()
        loop = asyncio.get_running_loop()

        def release(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop is closed: the process stops
                loop.call_soon_threadsafe(self._free.release)

        try:
            running = self._pool.submit(work)
        except RuntimeError:
            raise MESH_BUSY.exception("The file service is stopping.") from None
        running.add_done_callback(release)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Close without waiting: running work ends by its own timeouts."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _acquire(self) -> None:
        if self._waiting >= WAITING_MAX:
            raise MESH_BUSY.exception("Too many calls wait for the file storage.")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_TIMEOUT_S):
                await self._free.acquire()
        except TimeoutError:
            raise MESH_BUSY.exception("The file storage has too many calls in progress.") from None
        finally:
            self._waiting -= 1
