"""Threads for what blocks: so many at once, a bounded number waits, and none of them for long."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from shared.contracts.errors import MESH_BUSY

T = TypeVar("T")

WAITING_MAX = 512
TURN_TIMEOUT_S = 2.0


class BoundedExecutor:
    """A pool for one kind of work, so that none waits behind another kind. Close it at the end."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(threads)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in a thread. Raises `mesh.busy` when too much waits, or no thread is free soon.

        Who gives up waiting for the end leaves the thread at work: its place is free when it really ends.
        """
        await self._turn()
        loop = asyncio.get_running_loop()

        def ended(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop is closed: the process stops
                loop.call_soon_threadsafe(self._free.release)

        try:
            running = self._pool.submit(work)
        except RuntimeError:
            raise MESH_BUSY.exception("The file service is stopping.") from None
        running.add_done_callback(ended)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Wait for nobody: what is under way ends by its own bounds."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _turn(self) -> None:
        if self._waiting >= WAITING_MAX:
            raise MESH_BUSY.exception("Too much waits for the file storage.")
        self._waiting += 1
        try:
            async with asyncio.timeout(TURN_TIMEOUT_S):
                await self._free.acquire()
        except TimeoutError:
            raise MESH_BUSY.exception("Too much is under way at the file storage.") from None
        finally:
            self._waiting -= 1
