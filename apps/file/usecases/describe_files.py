"""Describe files that their owner wants to attach to a message."""

from apps.file.domain.files import attachment_of
from apps.file.ports import UnitOfWork
from shared.contracts.errors import FILE_NOT_FOUND
from shared.contracts.file import Attachments, DescribeFiles


async def describe_files(request: DescribeFiles, unit: UnitOfWork) -> Attachments:
    """Return the fields that a message shows of them, in the order of the request.

    Each must be complete, belong to this profile and lie in this channel; otherwise it is not found. The
    profile's membership in the channel is not checked here.
    """
    files = {file.file.id: file for file in await unit.find_all(request.file_ids)}
    items = []
    for file_id in request.file_ids:
        file = files.get(file_id)
        if (
            file is None
            or file.deleted
            or not file.complete
            or file.file.profile_id != request.profile_id
            or file.file.channel_id != request.channel_id
        ):
            raise FILE_NOT_FOUND.exception(f"{file_id} is no complete file of yours in this channel.")
        items.append(attachment_of(file.file))
    return Attachments(items=items)
