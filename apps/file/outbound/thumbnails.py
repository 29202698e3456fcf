"""Processes that make thumbnails: each does one image at a time, and is ended when that takes too long."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.contracts.errors import MESH_BUSY

log = logging.getLogger(__name__)

_WAITING_MAX = 64
_START_TIMEOUT_S = 10.0
_COMMAND = (sys.executable, "-m", "apps.file.outbound.thumbnail_worker")
_ROOT = Path(__file__).resolve().parents[3]


class ThumbnailWorkers:
    """Started when they are needed first. Close them at the end."""

    def __init__(self, workers: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._idle: asyncio.LifoQueue[Process | None] = asyncio.LifoQueue()
        self._waiting = 0
        for _ in range(workers):
            self._idle.put_nowait(None)

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Path]:
        """An empty folder for one image and what is made of it; raises `mesh.busy` when too many wait."""
        if self._waiting >= _WAITING_MAX:
            raise MESH_BUSY.error("Too many images wait for their thumbnails.")
        self._waiting += 1
        try:
            made = await asyncio.to_thread(TemporaryDirectory, prefix="concord-thumbnails-")
            try:
                yield Path(made.name)
            finally:
                await asyncio.to_thread(made.cleanup)
        finally:
            self._waiting -= 1

    async def paint(self, image: Path, folder: Path) -> dict[int, bytes]:
        """The thumbnails of an image by size; none of what is no image, is too large or takes too long."""
        worker = await self._idle.get()
        try:
            if worker is None or worker.returncode is not None:
                worker = await self._start()
            sizes = await self._ask(worker, image, folder)
            return {size: await asyncio.to_thread((folder / f"{size}.webp").read_bytes) for size in sizes}
        except (TimeoutError, OSError, EOFError, ValueError) as error:
            log.warning("a worker was ended over an image: %s", type(error).__name__)
            await _end(worker)
            worker = None
            return {}
        except BaseException:
            await asyncio.shield(_end(worker))
            worker = None
            raise
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        """End the processes that wait; those at work end with their input."""
        while not self._idle.empty():
            await _end(self._idle.get_nowait())

    async def _start(self) -> Process:
        async with asyncio.timeout(_START_TIMEOUT_S):
            # It is given no secret: neither by its environment nor by a file that stays open.
            return await asyncio.create_subprocess_exec(
                *_COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=_ROOT, env={"LANG": "C.UTF-8"}
            )

    async def _ask(self, worker: Process, image: Path, folder: Path) -> list[int]:
        assert worker.stdin is not None and worker.stdout is not None
        asked = json.dumps({"image": str(image), "folder": str(folder)})
        async with asyncio.timeout(self._timeout_s):
            worker.stdin.write(asked.encode() + b"\n")
            await worker.stdin.drain()
            line = await worker.stdout.readline()
        if not line:
            raise EOFError
        sizes: list[int] = json.loads(line)["sizes"]
        return sizes


async def _end(worker: Process | None) -> None:
    if worker is not None and worker.returncode is None:
        with suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()
