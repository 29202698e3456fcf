"""Read a file's record."""

from apps.file.domain.files import FileRecord, check_visible
from apps.file.ports import UnitOfWork
from shared.contracts.file import DownloadFile, GetThumbnail, OfFile


async def get_file(request: OfFile | DownloadFile | GetThumbnail, unit: UnitOfWork) -> FileRecord:
    """Return the file. Members of its channel's server see complete files, its owner also pending ones."""
    file = await unit.find(request.file_id)
    membership = None if file is None else await unit.membership(file.file.channel_id, request.profile_id)
    return check_visible(file, membership, request.profile_id)
