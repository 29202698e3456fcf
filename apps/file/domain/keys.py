"""Keys: where things lie in the bucket."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from shared.contracts.file import THUMBNAIL_SIZES


def upload_key(file_id: UUID) -> str:
    """Where a person writes by a presigned address. What is checked is copied away from here first."""
    return f"uploads/{file_id}"


def file_key(file_id: UUID) -> str:
    """Where the bytes of a complete file lie; nobody outside can write there."""
    return f"files/{file_id}"


def thumbnail_key(file_id: UUID, size: int) -> str:
    """Where a thumbnail lies."""
    return f"thumbnails/{file_id}/{size}.webp"


class DanglingFile(Struct, frozen=True):
    """A tombstone, or a complete file that may have left something in its place for uploads."""

    file_id: UUID
    deleted: bool
    complete: bool
    last_begun_at: datetime
    """Nobody begins to write to a key of it after this: it is buried, and its address has expired."""

    def may_be_left(self) -> list[str]:
        """The keys at which something without use may lie."""
        if not self.deleted:
            return [upload_key(self.file_id)]
        thumbnails = (thumbnail_key(self.file_id, size) for size in THUMBNAIL_SIZES)
        return [upload_key(self.file_id), file_key(self.file_id), *thumbnails]

    def may_have_parts(self) -> bool:
        """Whether a streamed upload may have broken off here."""
        return self.deleted and not self.complete

    def closes_at(self, writes_end: timedelta) -> datetime:
        """When whatever was begun has ended, by success or not; `writes_end` is the longest it may take."""
        return self.last_begun_at + writes_end
