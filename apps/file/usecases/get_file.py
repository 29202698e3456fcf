"""Read about a file."""

from uuid import UUID

from apps.file.domain.files import FileRecord, check_seen
from apps.file.ports import UnitOfWork


async def get_file(file_id: UUID, profile_id: UUID, unit: UnitOfWork) -> FileRecord:
    """The file. Members of its channel's server see complete ones, its owner also those that wait."""
    kept = await unit.file(file_id)
    place = None if kept is None else await unit.place(kept.file.channel_id, profile_id)
    return check_seen(kept, place, profile_id)
