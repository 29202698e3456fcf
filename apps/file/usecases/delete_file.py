"""Delete a file."""

from uuid import UUID

from apps.file.domain.files import check_delete, check_seen
from apps.file.ports import UnitOfWork
from apps.file.usecases.upload_steps import throw_away
from shared.contracts.clock import Clock


async def delete_file(file_id: UUID, profile_id: UUID, call_id: str, unit: UnitOfWork, clock: Clock) -> None:
    """Nobody sees the file any longer; its bytes are purged soon.

    * Its owner deletes it, an ADMIN or a MODERATOR; all as long as they are members.
    * Its room in the quota is free as soon as the address that it was announced with takes no more bytes.
    * A deleted file is not found, unless this very call deleted it and was delivered twice.
    * It is told by `file.deleted`, if others could see it.
    """
    kept = await unit.file(file_id, lock=True)
    if kept is not None and kept.deleted and kept.deleting_call == call_id:
        return
    place = None if kept is None else await unit.place(kept.file.channel_id, profile_id)
    kept = check_seen(kept, place, profile_id)
    assert place is not None  # check_seen raises for who has none
    check_delete(kept, place, profile_id)
    await throw_away(kept, unit, clock.now(), call_id)
