"""Make the thumbnails of an image."""

import asyncio
import logging
import time
from collections import Counter
from typing import IO
from uuid import UUID

from msgspec.structs import replace

from apps.file.domain.files import FileRecord
from apps.file.domain.keys import file_key, thumbnail_key
from apps.file.domain.thumbnails import can_have_thumbnails, count_try, given_up, may_try, uncount_try
from apps.file.ports import PendingThumbnails, Storage, ThumbnailRenderer, UnitOfWorkFactory
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NO_THUMBNAIL, MESH_BUSY, ServiceError
from shared.contracts.file import THUMBNAIL_SIZES

log = logging.getLogger(__name__)

CONTENT_TYPE = "image/webp"
BACKGROUND_MAX = 32
BACKGROUND_PROFILE_MAX = 4
"""The images that `begin` starts: of everyone, and of one person."""
PROFILE_MAX = 32
"""Half of the images that may wait for a renderer, so that one person never takes all slots."""
BATCH_SIZE = 16
BATCHES_MAX = 4
"""The batches of one run of `make_due`; the next run continues."""
_POLL_TIMEOUT_S = 3.0
_POLL_INTERVAL_S = 0.25


class MakeThumbnails:
    """Makes the thumbnails of each file once, however many requests and processes want them.

    * Images that are not too large have thumbnails of all sizes.
    * An image that can not be decoded has none, which is stored. Any other failure is not its fault: it is
      tried again after growing pauses, a few times in the background and then on request. A try for which the
      storage did not return the image does not count.
    * Owners take turns, so a person who uploads thousands of images holds up nobody else.
    * Only the image whose turn it is takes space on the disk.
    * A file that is deleted meanwhile leaves no thumbnails behind.
    """

    def __init__(
        self,
        units: UnitOfWorkFactory,
        storage: Storage,
        renderer: ThumbnailRenderer,
        clock: Clock,
        size_max: int,
    ) -> None:
        self._units = units
        self._storage = storage
        self._renderer = renderer
        self._clock = clock
        self._size_max = size_max
        self._tasks: dict[UUID, asyncio.Task[bool]] = {}
        self._per_profile: Counter[UUID] = Counter()

    async def make(self, file: FileRecord) -> bool:
        """Make them, or wait for a running try; return True if the file has thumbnails.

        Raises `mesh.busy` if that is not decided yet, or too many images of this person wait;
        `file.no_thumbnail` after too many failures.
        """
        if file.thumbnails is not None:
            return file.thumbnails
        if file.file.id not in self._tasks and self._per_profile[file.file.profile_id] >= PROFILE_MAX:
            raise MESH_BUSY.exception("Too many images of this person wait for their thumbnails.")
        return await asyncio.shield(self._task(file))

    def begin(self, file: FileRecord) -> None:
        """Start making them without waiting. Beyond the bounds it does nothing: `make_due` finds the file."""
        is_full = (
            len(self._tasks) >= BACKGROUND_MAX
            or self._per_profile[file.file.profile_id] >= BACKGROUND_PROFILE_MAX
        )
        if file.thumbnails is None and not is_full:
            self._task(file)

    async def make_due(self, pending: PendingThumbnails) -> int:
        """Make those that nobody requested, or that failed before; return how many were tried."""
        tried = 0
        for _ in range(BATCHES_MAX):
            due = await pending.due(self._clock.now(), BATCH_SIZE)
            outcomes = await asyncio.gather(*map(self.make, due), return_exceptions=True)
            tried += len(due)
            if not due or all(isinstance(outcome, BaseException) for outcome in outcomes):
                break
        return tried

    async def close(self) -> None:
        """Cancel the running tries; `make_due` finds the files again."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, file: FileRecord) -> "asyncio.Task[bool]":
        file_id, profile_id = file.file.id, file.file.profile_id
        task = self._tasks.get(file_id)
        if task is None or task.done():
            task = self._tasks[file_id] = asyncio.create_task(self._make(file))
            self._per_profile[profile_id] += 1
            task.add_done_callback(lambda done: self._finished(file_id, profile_id, done))
        return task

    def _finished(self, file_id: UUID, profile_id: UUID, task: "asyncio.Task[bool]") -> None:
        if self._tasks.get(file_id) is task:  # a newer try may have replaced it
            del self._tasks[file_id]
        self._per_profile[profile_id] -= 1
        if not self._per_profile[profile_id]:
            del self._per_profile[profile_id]
        error = None if task.cancelled() else task.exception()  # retrieved, as nobody may await the task
        if error is not None and not isinstance(error, ServiceError):
            log.error("thumbnails of %s failed", file_id, exc_info=error)

    async def _make(self, file: FileRecord) -> bool:
        if not can_have_thumbnails(file, self._size_max):
            return await self._decide(file.file.id, made=False)
        async with self._renderer.slot():
            counted = await self._begin_try(file.file.id)
            if counted is not None:
                return await self._decide(file.file.id, made=await self._render(counted))
        return await self._made_elsewhere(file.file.id)

    async def _begin_try(self, file_id: UUID) -> FileRecord | None:
        """Count this try and return the file; None if another process tries it, or it is not due."""
        async with self._units.transaction() as unit:
            file, now = await unit.find(file_id, lock=True), self._clock.now()
            if file is None or file.deleted or not may_try(file, now):
                return None
            counted = count_try(file, now)
            await unit.update(counted)
            return counted

    async def _render(self, counted: FileRecord) -> bool:
        file_id = counted.file.id
        async with self._renderer.scratch_file(counted.file.size) as image:
            await self._download(counted, image)
            thumbnails = await self._renderer.render(image)
        # From here on a try counts, whatever fails: each costs as much as the first.
        for size, thumbnail in thumbnails.items():
            await self._storage.put(thumbnail_key(file_id, size), thumbnail, CONTENT_TYPE)
        return bool(thumbnails)

    async def _download(self, counted: FileRecord, image: IO[bytes]) -> None:
        """Download the image. A failure of the storage says nothing about the image, so it does not count."""
        try:
            exists = await self._storage.download(file_key(counted.file.id), image)
        except ServiceError:
            await self._uncount(counted)
            raise
        if not exists:
            raise MESH_BUSY.exception("The file storage does not have the image now.")

    async def _uncount(self, counted: FileRecord) -> None:
        async with self._units.transaction() as unit:
            file = await unit.find(counted.file.id, lock=True)
            if file is not None and not file.deleted:
                await unit.update(uncount_try(file, counted, self._clock.now()))

    async def _decide(self, file_id: UUID, *, made: bool) -> bool:
        async with self._units.transaction() as unit:
            file = await unit.find(file_id, lock=True)
            exists = file is not None and not file.deleted
            if file is not None and exists:
                await unit.update(replace(file, thumbnails=made))
        if made and not exists:
            await self._storage.delete([thumbnail_key(file_id, size) for size in THUMBNAIL_SIZES])
        return made and exists

    async def _made_elsewhere(self, file_id: UUID) -> bool:
        """Poll for the result of another process, for a few seconds; it may also wait after a failure."""
        until = time.monotonic() + _POLL_TIMEOUT_S
        while True:
            async with self._units.snapshot() as unit:
                file = await unit.find(file_id)
            if file is None or file.deleted:
                return False
            if file.thumbnails is not None:
                return file.thumbnails
            if given_up(file):
                raise FILE_NO_THUMBNAIL.exception("Its thumbnails could not be made. Ask again in an hour.")
            if time.monotonic() > until:
                raise MESH_BUSY.exception("The thumbnails of this image could not be made yet.")
            await asyncio.sleep(_POLL_INTERVAL_S)
