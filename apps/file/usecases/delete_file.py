"""Delete a file."""

from typing import Any

from apps.file.domain.files import check_may_delete, check_visible
from apps.file.ports import UnitOfWork
from apps.file.usecases.file_states import mark_deleted
from shared.contracts.clock import Clock
from shared.contracts.file import OfFile


async def delete_file(request: OfFile, unit: UnitOfWork, call: Any, clock: Clock) -> None:
    """Hide the file from everyone; its bytes are purged soon.

    * Its owner deletes it, an ADMIN or a MODERATOR; all of them while members.
    * Its quota is released as soon as its upload URL has expired.
    * A deleted file is not found, unless this very call deleted it and was delivered twice.
    * It publishes `file.deleted` if others could see the file.
    """
    file = await unit.find(request.file_id, lock=True)
    if file is not None and file.deleted and file.deleting_call == call.call_id:
        return
    membership = None if file is None else await unit.membership(file.file.channel_id, request.profile_id)
    file = check_visible(file, membership, request.profile_id)
    assert membership is not None  # check_visible raises without one
    check_may_delete(file, membership, request.profile_id)
    await mark_deleted(file, unit, clock.now(), call.call_id)
