"""Make the thumbnails of an image."""

import asyncio
from uuid import UUID

from msgspec.structs import replace

from apps.file.domain.files import Kept
from apps.file.domain.places import THUMBNAIL_SIZES, file_key, thumbnail_key
from apps.file.domain.types import may_have_thumbnails
from apps.file.ports import Painter, Storage, Work

CONTENT_TYPE = "image/webp"


class MakeThumbnails:
    """Makes them once for each file, whoever wants them, and however many do so at once.

    * Of images that are not too large, in all sizes.
    * What can not be read has none, which is remembered.
    * A file that is deleted meanwhile leaves no thumbnails behind.
    """

    def __init__(self, work: Work, storage: Storage, painter: Painter, size_max: int) -> None:
        self._work = work
        self._storage = storage
        self._painter = painter
        self._size_max = size_max
        self._under_way: dict[UUID, asyncio.Task[bool]] = {}

    async def make(self, kept: Kept) -> bool:
        """Whether the file has thumbnails, when this is done. Raises `mesh.busy`, as S3 does."""
        if kept.thumbnails is not None:
            return kept.thumbnails
        file_id = kept.file.id
        task = self._under_way.get(file_id)
        if task is None:
            task = self._under_way[file_id] = asyncio.create_task(self._make(kept))
            task.add_done_callback(lambda done: self._finished(file_id, done))
        return await asyncio.shield(task)

    def _finished(self, file_id: UUID, done: "asyncio.Task[bool]") -> None:
        del self._under_way[file_id]
        if not done.cancelled():
            done.exception()  # nobody may be waiting for it any longer

    async def _make(self, kept: Kept) -> bool:
        file = kept.file
        made = False
        if may_have_thumbnails(file.content_type) and file.size <= self._size_max:
            made = await self._paint(file.id)
        async with self._work.transaction() as unit:
            now = await unit.file(file.id, lock=True)
            gone = now is None or now.deleted
            if now is not None and not gone:
                await unit.store(replace(now, thumbnails=made))
        if gone and made:
            await self._storage.remove([thumbnail_key(file.id, size) for size in THUMBNAIL_SIZES])
        return made and not gone

    async def _paint(self, file_id: UUID) -> bool:
        async with self._painter.desk() as folder:
            image = folder / "image"
            if not await self._storage.fetch(file_key(file_id), image):
                return False
            pictures = await self._painter.paint(image, folder)
        for size, picture in pictures.items():
            await self._storage.put(thumbnail_key(file_id, size), picture, CONTENT_TYPE)
        return bool(pictures)
