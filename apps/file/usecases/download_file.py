"""Where the bytes of a file can be had."""

from datetime import timedelta

from apps.file.domain.files import FileRecord, check_complete
from apps.file.domain.keys import file_key
from apps.file.domain.names import disposition
from apps.file.domain.types import may_be_shown
from apps.file.ports import Storage
from shared.contracts.clock import Clock
from shared.contracts.file import FileLocation


async def download_file(
    kept: FileRecord, storage: Storage, clock: Clock, life_s: int, *, inline: bool
) -> FileLocation:
    """An address that is good for `life_s` seconds, of a file that the caller may see.

    * Only complete files have one.
    * The type is the one that was checked. It is saved under its name, or shown if that was asked for and
      nothing in it can run.
    """
    file = check_complete(kept).file
    shown = inline and may_be_shown(file.content_type)
    headers = {
        "Content-Type": file.content_type,
        "Content-Disposition": disposition(file.name, inline=shown),
    }
    url = await storage.download_address(file_key(file.id), life_s, headers)
    return FileLocation(url=url, expires_at=clock.now() + timedelta(seconds=life_s))
