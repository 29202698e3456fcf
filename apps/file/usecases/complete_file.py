"""Complete a file."""

from apps.file.domain.files import Kept, check_seen, file_not_found
from apps.file.domain.keys import file_key, upload_key
from apps.file.domain.types import SNIFFED_BYTES, check_real
from apps.file.ports import Found, Sniffer, Storage, Unit, Work
from apps.file.usecases.steps import discard, make_complete
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NOT_FOUND, FILE_NOT_UPLOADED, FILE_SIZE_MISMATCH, MeshError
from shared.contracts.file import File, OfFile


async def complete_file(
    request: OfFile, work: Work, storage: Storage, sniffer: Sniffer, clock: Clock
) -> File:
    """The file as others see it from now on.

    * Only its owner completes a file, as long as he is a member of its channel. Completing it again changes
      nothing.
    * What was uploaded has the size that was said, and by its bytes the type that was said; else it is thrown
      away.
    * What was checked is copied to a place where its owner cannot write, so that nobody puts other bytes
      there while the address for the upload is still good. A copy that takes longer than a call is found by
      the next one.
    * It is told by `file.completed`.
    """
    async with work.snapshot() as unit:
        kept = await _own(request, unit)
    if kept.complete:
        return kept.file
    found = await storage.look(upload_key(kept.file.id))
    if found is None:
        raise FILE_NOT_UPLOADED.error("There is nothing yet at the address that came with this file.")
    try:
        await _check(kept, found, storage, sniffer)
    except MeshError as error:
        if error.kind.status < 500 and error.kind is not FILE_NOT_UPLOADED:
            await discard(kept.file.id, work, clock.now())
        raise
    file = kept.file
    if not await storage.copy(upload_key(file.id), found, file_key(file.id), file.content_type):
        raise _changing()
    try:
        async with work.transaction() as unit:
            kept = await _own(request, unit, lock=True)
            return await make_complete(kept, found.size, file.content_type, unit)
    except MeshError as error:
        if error.kind is FILE_NOT_FOUND:
            await discard(file.id, work, clock.now())
        raise


async def _own(request: OfFile, unit: Unit, *, lock: bool = False) -> Kept:
    """The file, to its owner who is a member. Raises `file.not_found`, and Unsure as `check_seen` does."""
    kept = await unit.file(request.file_id, lock=lock)
    if kept is not None and kept.file.profile_id != request.profile_id:
        raise file_not_found()
    place = None if kept is None else await unit.place(kept.file.channel_id, request.profile_id)
    return check_seen(kept, place, request.profile_id)


async def _check(kept: Kept, found: Found, storage: Storage, sniffer: Sniffer) -> None:
    if found.size != kept.file.size:
        raise FILE_SIZE_MISMATCH.error(f"{kept.file.size} bytes were announced, {found.size} came.")
    head = await storage.head(upload_key(kept.file.id), found, SNIFFED_BYTES)
    if head is None:
        raise _changing()
    looks_like = await sniffer.looks_like(head)
    check_real(kept.file.content_type, looks_like, head, whole=found.size <= SNIFFED_BYTES)


def _changing() -> MeshError:
    return FILE_NOT_UPLOADED.error("Other bytes were just being uploaded: try again.")
