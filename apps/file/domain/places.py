"""Where things lie in the bucket."""

from uuid import UUID

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


def all_keys(file_id: UUID) -> list[str]:
    """Everything that a file may have left."""
    return [
        upload_key(file_id),
        file_key(file_id),
        *(thumbnail_key(file_id, size) for size in THUMBNAIL_SIZES),
    ]
