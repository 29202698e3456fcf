"""Locate a thumbnail."""

from datetime import timedelta

from apps.file.domain.files import FileRecord, check_complete
from apps.file.domain.keys import thumbnail_key
from apps.file.ports import Storage
from apps.file.usecases.make_thumbnails import CONTENT_TYPE, MakeThumbnails
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NO_THUMBNAIL
from shared.contracts.file import FileLocation


async def get_thumbnail(
    file: FileRecord, size: int, thumbnails: MakeThumbnails, storage: Storage, clock: Clock, ttl_s: int
) -> FileLocation:
    """Return a URL of a thumbnail of a file that the caller may see, valid for `ttl_s` seconds.

    Thumbnails are rendered when a file is complete; a request that comes earlier waits for them.
    """
    shared = check_complete(file).file
    if not await thumbnails.make(file):
        raise FILE_NO_THUMBNAIL.exception("This file is no image that thumbnails can be rendered from.")
    headers = {"Content-Type": CONTENT_TYPE, "Content-Disposition": "inline"}
    url = await storage.presign_download(thumbnail_key(shared.id, size), ttl_s, headers)
    return FileLocation(url=url, expires_at=clock.now() + timedelta(seconds=ttl_s))
