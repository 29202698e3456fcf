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
from apps.file.domain.thumbnails import can_have_any, given_up, may_try, one_try_less, one_try_more
from apps.file.ports import PendingThumbnails, Storage, ThumbnailRenderer, UnitOfWorkFactory
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NO_THUMBNAIL, MESH_BUSY, ServiceError
from shared.contracts.file import THUMBNAIL_SIZES

log = logging.getLogger(__name__)

CONTENT_TYPE = "image/webp"
BEGUN_MAX = 32
BEGUN_PERSON_MAX = 4
PERSON_MAX = 32
"""Half of those that may wait for a worker, whoever asks for them: others always find a place."""
DUE_AT_ONCE = 16
PIECES_MAX = 4
_PATIENCE_S = 3.0
_LOOK_S = 0.25


class MakeThumbnails:
    """Makes them once for each file, whoever wants them, and however many do so at once, in any process.

    * Of images that are not too large, in all sizes.
    * What can not be read has none, which is remembered. Whatever else goes wrong is not the image's fault:
      it is tried again, after pauses that grow, so often by itself and then when somebody asks. A try
      for which the storage did not hand out the image counts for nothing.
    * Who uploads many images waits for them himself: people have their turns one after another.
    * Only whose turn it is has an image on the disk.
    * A file that is deleted meanwhile leaves no thumbnails behind.
    """

    def __init__(
        self,
        work: UnitOfWorkFactory,
        storage: Storage,
        painter: ThumbnailRenderer,
        clock: Clock,
        size_max: int,
    ) -> None:
        self._work = work
        self._storage = storage
        self._painter = painter
        self._clock = clock
        self._size_max = size_max
        self._under_way: dict[UUID, asyncio.Task[bool]] = {}
        self._of_person: Counter[UUID] = Counter()

    async def make(self, kept: FileRecord) -> bool:
        """Whether the file has thumbnails, when this is done.

        Raises `mesh.busy` when that is not known yet, or too many images of this person wait;
        `file.no_thumbnail` when it was tried often.
        """
        if kept.thumbnails is not None:
            return kept.thumbnails
        if kept.file.id not in self._under_way and self._of_person[kept.file.profile_id] >= PERSON_MAX:
            raise MESH_BUSY.exception("Too many images of this person wait for their thumbnails.")
        return await asyncio.shield(self._task(kept))

    def begin(self, kept: FileRecord) -> None:
        """Make them soon, waiting for nothing: what does not fit in now is found by `make_due`."""
        room = len(self._under_way) < BEGUN_MAX and self._of_person[kept.file.profile_id] < BEGUN_PERSON_MAX
        if kept.thumbnails is None and room:
            self._task(kept)

    async def make_due(self, unpainted: PendingThumbnails) -> int:
        """Make those that nobody asked for, or that failed before; gives how many were tried."""
        tried = 0
        for _ in range(PIECES_MAX):
            due = await unpainted.due(self._clock.now(), DUE_AT_ONCE)
            done = await asyncio.gather(*map(self.make, due), return_exceptions=True)
            tried += len(due)
            if not due or all(isinstance(each, BaseException) for each in done):
                break
        return tried

    async def close(self) -> None:
        """End what is under way; it is found again."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(self, kept: FileRecord) -> "asyncio.Task[bool]":
        file_id, profile_id = kept.file.id, kept.file.profile_id
        task = self._under_way.get(file_id)
        if task is None:
            task = self._under_way[file_id] = asyncio.create_task(self._make(kept))
            self._of_person[profile_id] += 1
            task.add_done_callback(lambda done: self._finished(file_id, profile_id, done))
        return task

    def _finished(self, file_id: UUID, profile_id: UUID, done: "asyncio.Task[bool]") -> None:
        del self._under_way[file_id]
        self._of_person[profile_id] -= 1
        if not self._of_person[profile_id]:
            del self._of_person[profile_id]
        error = None if done.cancelled() else done.exception()  # nobody may be waiting for it any longer
        if error is not None and not isinstance(error, ServiceError):
            log.error("thumbnails of %s failed", file_id, exc_info=error)

    async def _make(self, kept: FileRecord) -> bool:
        if not can_have_any(kept, self._size_max):
            return await self._decide(kept.file.id, made=False)
        async with self._painter.turn():
            counted = await self._begin_try(kept.file.id)
            if counted is not None:
                return await self._decide(kept.file.id, made=await self._paint(counted))
        return await self._made_elsewhere(kept.file.id)

    async def _begin_try(self, file_id: UUID) -> FileRecord | None:
        """The file with this try counted; None when it is not for us to try now."""
        async with self._work.transaction() as unit:
            kept, now = await unit.file(file_id, lock=True), self._clock.now()
            if kept is None or kept.deleted or not may_try(kept, now):
                return None
            counted = one_try_more(kept, now)
            await unit.store(counted)
            return counted

    async def _paint(self, counted: FileRecord) -> bool:
        file_id = counted.file.id
        async with self._painter.desk(counted.file.size) as image:
            await self._fetch(counted, image)
            pictures = await self._painter.paint(image)
        # A try that got so far counts, whoever was at fault: each costs as much as the first.
        for size, picture in pictures.items():
            await self._storage.put(thumbnail_key(file_id, size), picture, CONTENT_TYPE)
        return bool(pictures)

    async def _fetch(self, counted: FileRecord, image: IO[bytes]) -> None:
        """Get it from the storage. Where that does not hand it out, nothing is said of the image."""
        try:
            there = await self._storage.fetch(file_key(counted.file.id), image)
        except ServiceError:
            await self._give_back(counted)
            raise
        if not there:
            raise MESH_BUSY.exception("The file storage does not have the image now.")

    async def _give_back(self, counted: FileRecord) -> None:
        async with self._work.transaction() as unit:
            kept = await unit.file(counted.file.id, lock=True)
            if kept is not None and not kept.deleted:
                await unit.store(one_try_less(kept, counted, self._clock.now()))

    async def _decide(self, file_id: UUID, *, made: bool) -> bool:
        async with self._work.transaction() as unit:
            now = await unit.file(file_id, lock=True)
            gone = now is None or now.deleted
            if now is not None and not gone:
                await unit.store(replace(now, thumbnails=made))
        if gone and made:
            await self._storage.remove([thumbnail_key(file_id, size) for size in THUMBNAIL_SIZES])
        return made and not gone

    async def _made_elsewhere(self, file_id: UUID) -> bool:
        """What another process makes of it, for a while; it may also be waiting after a failure."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            async with self._work.snapshot() as unit:
                kept = await unit.file(file_id)
            if kept is None or kept.deleted:
                return False
            if kept.thumbnails is not None:
                return kept.thumbnails
            if given_up(kept):
                raise FILE_NO_THUMBNAIL.exception("Its thumbnails could not be made. Ask again in an hour.")
            if time.monotonic() > until:
                raise MESH_BUSY.exception("The thumbnails of this image could not be made yet.")
            await asyncio.sleep(_LOOK_S)
