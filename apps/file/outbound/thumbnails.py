"""Processes that make thumbnails: one for each image, and ended when that takes too long."""

import asyncio
import json
import logging
import math
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from shared.contracts.errors import MESH_BUSY, ServiceError
from shared.contracts.file import CROPPED_SIZE, THUMBNAIL_SIZES

log = logging.getLogger(__name__)

_WAITING_MAX = 64
_ANSWER_MAX_BYTES = 8 * 1024 * 1024
"""More than all thumbnails of one image take, whatever is on it."""
_ROOM_TO_SPARE_BYTES = 1024 * 1024
_WORKER = Path(__file__).with_name("thumbnail_worker.py")
_COMMAND = (sys.executable, "-I", "-B", str(_WORKER))


class _Told(Struct):
    """What a worker says before it sends the thumbnails."""

    sizes: dict[int, int] = {}
    refused: str = ""
    failed: str = ""


class ThumbnailWorkers:
    """Starts so many at once and no more."""

    def __init__(self, workers: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(workers)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Who is let in may use a desk; raises `mesh.busy` when too many wait."""
        if self._waiting >= _WAITING_MAX:
            raise MESH_BUSY.exception("Too many images wait for their thumbnails.")
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def desk(self, size: int) -> AsyncIterator[IO[bytes]]:
        """A file for an image of so many bytes; raises `mesh.busy` when there is no room."""
        try:
            image = await asyncio.to_thread(_file_with_room, size)
        except OSError as error:
            log.error("no room for an image of %d bytes in %s: %s", size, tempfile.gettempdir(), error)
            raise MESH_BUSY.exception("There is no room to work on the image.") from error
        try:
            yield image
        finally:
            await asyncio.to_thread(image.close)

    async def paint(self, image: IO[bytes]) -> dict[int, bytes]:
        """The thumbnails of an image by size; none when it can not be read or is too large.

        Raises `mesh.busy` for all that is not the image's fault, or not for certain: time and memory.
        """
        try:
            worker = await self._start(image)
        except OSError as error:
            raise _failed(f"no process could be started: {error}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _answer(worker)
        except TimeoutError as error:
            raise _failed(f"the image took longer than {self._timeout_s} s") from error
        except (EOFError, ValueError, msgspec.MsgspecError) as error:
            raise _failed("the process gave no proper answer") from error
        finally:
            await asyncio.shield(_end(worker))

    async def _start(self, image: IO[bytes]) -> Process:
        cpu_s = math.ceil(self._timeout_s) + 1
        sizes = [size for size in THUMBNAIL_SIZES if size != CROPPED_SIZE]
        wanted = json.dumps({"cropped": CROPPED_SIZE, "scaled": sizes, "cpu_s": cpu_s})
        image.seek(0)
        # Opened anew, to be read only: who may write to a file may also take up the disk with it.
        with await asyncio.to_thread(Path(f"/dev/fd/{image.fileno()}").open, "rb") as opened:
            # It is given no secret: neither by its environment nor by a file that stays open.
            return await asyncio.create_subprocess_exec(
                *_COMMAND, wanted, stdin=opened, stdout=PIPE, stderr=DEVNULL, cwd="/", env={}, close_fds=True
            )


def _file_with_room(size: int) -> IO[bytes]:
    """Without a name: however this process ends, the system takes it away."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < size + _ROOM_TO_SPARE_BYTES:
        raise OSError(f"{free} bytes are free")
    return tempfile.TemporaryFile()


async def _answer(worker: Process) -> dict[int, bytes]:
    assert worker.stdout is not None
    line = await worker.stdout.readline()
    if not line:
        raise _failed(f"the process ended with {await worker.wait()}")
    told = msgspec.json.decode(line, type=_Told, strict=False)
    if told.refused:
        log.info("an image has no thumbnails: %s", told.refused[:100])
        return {}
    if told.failed:
        raise _failed(told.failed[:100])
    lengths = told.sizes.values()
    if set(told.sizes) != set(THUMBNAIL_SIZES) or min(lengths) < 0 or sum(lengths) > _ANSWER_MAX_BYTES:
        raise ValueError("other thumbnails than were asked for")
    made = {size: await worker.stdout.readexactly(length) for size, length in told.sizes.items()}
    if not all(body[:4] == b"RIFF" and body[8:12] == b"WEBP" for body in made.values()):
        raise ValueError("not the images that were asked for")
    return made


def _failed(why: str) -> ServiceError:
    log.warning("thumbnails could not be made now: %s", why)
    return MESH_BUSY.exception("The thumbnails of this image could not be made now.")


async def _end(worker: Process) -> None:
    if worker.returncode is None:
        with suppress(ProcessLookupError):
            worker.kill()
    await worker.communicate()  # asyncio waits for ever for a process whose last words nobody reads
