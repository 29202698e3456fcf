"""Keys of the objects in the bucket, and the files whose objects are to be purged."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from shared.contracts.file import THUMBNAIL_SIZES


def upload_key(file_id: UUID) -> str:
    """Return the key that a presigned upload URL writes to. Checked bytes are copied away from it."""
    return f"uploads/{file_id}"


def file_key(file_id: UUID) -> str:
    """Return the key of a complete file's bytes; nobody outside can write to it."""
    return f"files/{file_id}"


def thumbnail_key(file_id: UUID, size: int) -> str:
    """Return the key of a thumbnail; `size` is its longer side in pixels."""
    return f"thumbnails/{file_id}/{size}.webp"


class DanglingFile(Struct, frozen=True):
    """A tombstone, or a complete file that may have left an object at its upload key."""

    file_id: UUID
    deleted: bool
    complete: bool
    last_write_begins_at: datetime
    """No write to its keys begins after this: it is deleted, and its upload URL has expired."""

    def object_keys(self) -> list[str]:
        """Return the keys that may hold unused objects."""
        if not self.deleted:
            return [upload_key(self.file_id)]
        thumbnails = (thumbnail_key(self.file_id, size) for size in THUMBNAIL_SIZES)
        return [upload_key(self.file_id), file_key(self.file_id), *thumbnails]

    def may_have_parts(self) -> bool:
        """Return True if a streamed upload may have ended early here and left parts."""
        return self.deleted and not self.complete

    def closes_at(self, writes_end: timedelta) -> datetime:
        """Return the time when every write has ended; `writes_end` is the longest one may take."""
        return self.last_write_begins_at + writes_end
