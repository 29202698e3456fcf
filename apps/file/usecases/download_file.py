"""Locate the bytes of a file."""

from datetime import timedelta

from apps.file.domain.files import FileRecord, check_complete
from apps.file.domain.keys import file_key
from apps.file.domain.names import disposition
from apps.file.domain.types import may_be_inline
from apps.file.ports import Storage
from shared.contracts.clock import Clock
from shared.contracts.file import FileLocation


async def download_file(
    file: FileRecord, storage: Storage, clock: Clock, ttl_s: int, *, inline: bool
) -> FileLocation:
    """Return a URL of a file that the caller may see, valid for `ttl_s` seconds.

    * Only complete files have one.
    * It serves the checked type. A browser saves the file under its name; it displays it only if `inline` and
      nothing in it can run.
    """
    shared = check_complete(file).file
    headers = {
        "Content-Type": shared.content_type,
        "Content-Disposition": disposition(shared.name, inline=inline and may_be_inline(shared.content_type)),
    }
    url = await storage.presign_download(file_key(shared.id), ttl_s, headers)
    return FileLocation(url=url, expires_at=clock.now() + timedelta(seconds=ttl_s))
