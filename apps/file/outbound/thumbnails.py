"""`apps.file.ports.ThumbnailRenderer` by processes: one for each image, killed if it takes too long."""

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
_REPORT_MAX_BYTES = 8 * 1024 * 1024
"""More than all thumbnails of any image take."""
_SPARE_BYTES = 1024 * 1024
_WORKER = Path(__file__).with_name("thumbnail_worker.py")
_COMMAND = (sys.executable, "-I", "-B", str(_WORKER))


class _Report(Struct):
    """The line that a worker writes before the thumbnails."""

    sizes: dict[int, int] = {}
    refused: str = ""
    failed: str = ""


class ProcessRenderer:
    """Renders in at most `workers` processes at once."""

    def __init__(self, workers: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(workers)
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for the turn to render an image. Raises `mesh.busy` if too many wait."""
        if self._waiting >= _WAITING_MAX:
            raise MESH_BUSY.exception("Too many images wait for their thumbnails.")
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def scratch_file(self, size: int) -> AsyncIterator[IO[bytes]]:
        """Open a file for an image of this many bytes. Raises `mesh.busy` without room on the disk."""
        try:
            image = await asyncio.to_thread(_open_scratch_file, size)
        except OSError as error:
            log.error("no room for an image of %d bytes in %s: %s", size, tempfile.gettempdir(), error)
            raise MESH_BUSY.exception("There is no room to work on the image.") from error
        try:
            yield image
        finally:
            await asyncio.to_thread(image.close)

    async def render(self, image: IO[bytes]) -> dict[int, bytes]:
        """Return the thumbnails of an image by size; none if it can not be decoded or is too large.

        Raises `mesh.busy` for everything that is not certainly the image's fault, such as time and memory.
        """
        try:
            worker = await self._start(image)
        except OSError as error:
            raise _failed(f"no process could be started: {error}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _read_thumbnails(worker)
        except TimeoutError as error:
            raise _failed(f"the image took longer than {self._timeout_s} s") from error
        except (EOFError, ValueError, msgspec.MsgspecError) as error:
            raise _failed("the process gave no valid answer") from error
        finally:
            await asyncio.shield(_kill(worker))

    async def _start(self, image: IO[bytes]) -> Process:
        cpu_s = math.ceil(self._timeout_s) + 1
        sizes = [size for size in THUMBNAIL_SIZES if size != CROPPED_SIZE]
        request = json.dumps({"cropped": CROPPED_SIZE, "scaled": sizes, "cpu_s": cpu_s})
        image.seek(0)
        # Reopened for reading only: a worker that may write to the file could fill the disk with it.
        with await asyncio.to_thread(Path(f"/dev/fd/{image.fileno()}").open, "rb") as opened:
            # It gets no secret: neither by its environment nor by a file that stays open.
            return await asyncio.create_subprocess_exec(
                *_COMMAND, request, stdin=opened, stdout=PIPE, stderr=DEVNULL, cwd="/", env={}, close_fds=True
            )


def _open_scratch_file(size: int) -> IO[bytes]:
    """Return a file without a name: the system deletes it, however this process ends."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < size + _SPARE_BYTES:
        raise OSError(f"{free} bytes are free")
    return tempfile.TemporaryFile()


async def _read_thumbnails(worker: Process) -> dict[int, bytes]:
    assert worker.stdout is not None
    line = await worker.stdout.readline()
    if not line:
        raise _failed(f"the process ended with {await worker.wait()}")
    report = msgspec.json.decode(line, type=_Report, strict=False)
    if report.refused:
        log.info("an image has no thumbnails: %s", report.refused[:100])
        return {}
    if report.failed:
        raise _failed(report.failed[:100])
    lengths = report.sizes.values()
    if set(report.sizes) != set(THUMBNAIL_SIZES) or min(lengths) < 0 or sum(lengths) > _REPORT_MAX_BYTES:
        raise ValueError("other thumbnails than requested")
    thumbnails = {size: await worker.stdout.readexactly(length) for size, length in report.sizes.items()}
    if not all(body[:4] == b"RIFF" and body[8:12] == b"WEBP" for body in thumbnails.values()):
        raise ValueError("no WebP images")
    return thumbnails


def _failed(reason: str) -> ServiceError:
    log.warning("thumbnails could not be made now: %s", reason)
    return MESH_BUSY.exception("The thumbnails of this image could not be made now.")


async def _kill(worker: Process) -> None:
    if worker.returncode is None:
        with suppress(ProcessLookupError):
            worker.kill()
    await worker.communicate()  # asyncio never ends a wait for a process with unread output
