"""Files that their owner wants to attach to a message."""

from apps.file.domain.files import attachment_of
from apps.file.ports import UnitOfWork
from shared.contracts.errors import FILE_NOT_FOUND
from shared.contracts.file import Attachments, DescribeFiles


async def describe_files(request: DescribeFiles, unit: UnitOfWork) -> Attachments:
    """What a message shows of them, in the order asked.

    Each is complete, belongs to this profile and lies in this channel; else it is not found. Whether the
    profile is still a member of the channel is not asked here.
    """
    there = {kept.file.id: kept for kept in await unit.files(request.file_ids)}
    items = []
    for file_id in request.file_ids:
        kept = there.get(file_id)
        if (
            kept is None
            or kept.deleted
            or not kept.complete
            or kept.file.profile_id != request.profile_id
            or kept.file.channel_id != request.channel_id
        ):
            raise FILE_NOT_FOUND.exception(f"{file_id} is no complete file of yours in this channel.")
        items.append(attachment_of(kept.file))
    return Attachments(items=items)
