"""Where a thumbnail can be had."""

from datetime import timedelta

from apps.file.domain.files import FileRecord, check_complete
from apps.file.domain.keys import thumbnail_key
from apps.file.ports import Storage
from apps.file.usecases.make_thumbnails import CONTENT_TYPE, MakeThumbnails
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NO_THUMBNAIL
from shared.contracts.file import FileLocation


async def get_thumbnail(
    kept: FileRecord, size: int, thumbnails: MakeThumbnails, storage: Storage, clock: Clock, life_s: int
) -> FileLocation:
    """An address that is good for `life_s` seconds, of a thumbnail of a file that the caller may see.

    Thumbnails are made when a file is complete; who asks before that is done waits for it.
    """
    file = check_complete(kept).file
    if not await thumbnails.make(kept):
        raise FILE_NO_THUMBNAIL.exception("This file is no image that thumbnails can be made of.")
    headers = {"Content-Type": CONTENT_TYPE, "Content-Disposition": "inline"}
    url = await storage.download_address(thumbnail_key(file.id, size), life_s, headers)
    return FileLocation(url=url, expires_at=clock.now() + timedelta(seconds=life_s))
