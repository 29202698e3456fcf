"""Complete a file."""

from datetime import datetime
from typing import Any

from apps.file.domain.files import FileRecord, check_seen, file_not_found
from apps.file.domain.keys import file_key, upload_key
from apps.file.domain.types import SNIFFED_BYTES, check_real
from apps.file.ports import ObjectHead, Sniffer, Storage, UnitOfWork, UnitOfWorkFactory
from apps.file.usecases.upload_steps import discard, make_complete
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NOT_FOUND, FILE_NOT_UPLOADED, FILE_SIZE_MISMATCH, ServiceError
from shared.contracts.file import File, OfFile


async def complete_file(
    request: OfFile, call: Any, work: UnitOfWorkFactory, storage: Storage, sniffer: Sniffer, clock: Clock
) -> File:
    """The file as others see it from now on.

    * Only its owner completes a file, as long as he is a member of its channel. Completing it again changes
      nothing.
    * What was uploaded has the size that was said, and by its bytes the type that was said; else it is thrown
      away.
    * What was checked is copied to a place where its owner cannot write, so that nobody puts other bytes
      there while the address for the upload is still good. A copy that takes longer than a call is found by
      the next one.
    * The same call again, or another with the same Idempotency-Key, gets the same answer, also when the file
      was thrown away with it or deleted since. What changed nothing is not kept: it is looked at anew.
    * It is told by `file.completed`.
    """
    async with work.snapshot() as unit:
        first_answer = await unit.known(call, request.profile_id)
        if first_answer is not None:
            return first_answer(call.body)
        kept = await _own(request, unit)
    if not kept.complete:
        refusal = await _copy_checked(kept.file, storage, sniffer)
        if refusal is not None:
            return await work.once(
                call, request.profile_id, lambda unit: _refuse(request, refusal, unit, clock.now())
            )
    try:
        return await work.once(
            call, request.profile_id, lambda unit: _finish(request, unit), keep_refusals=False
        )
    except ServiceError as error:
        if error.kind is FILE_NOT_FOUND:  # by now: what was just copied is not to stay
            async with work.transaction() as unit:
                await discard(request.file_id, unit, clock.now())
        raise


async def _copy_checked(file: File, storage: Storage, sniffer: Sniffer) -> ServiceError | None:
    """Copy what was uploaded to where nobody else writes; gives why not, when it is to be thrown away.

    Raises `file.not_uploaded` while it is not there yet, or changes.
    """
    found = await storage.look(upload_key(file.id))
    if found is None:
        raise FILE_NOT_UPLOADED.exception("There is nothing yet at the address that came with this file.")
    try:
        await _check(file, found, storage, sniffer)
    except ServiceError as error:
        if error.kind.status >= 500 or error.kind is FILE_NOT_UPLOADED:
            raise
        return error
    if not await storage.copy(upload_key(file.id), found, file_key(file.id), file.content_type):
        raise _changing()
    return None


async def _finish(request: OfFile, unit: UnitOfWork) -> File:
    """Share it. The size and the type are those that were said, and checked."""
    kept = await _own(request, unit, lock=True)
    return await make_complete(kept, kept.file.size, kept.file.content_type, unit)


async def _refuse(
    request: OfFile, refusal: ServiceError, unit: UnitOfWork, now: datetime
) -> File | ServiceError:
    """Throw it away, and keep why together with that; unless another call has completed it meanwhile."""
    kept = await unit.file(request.file_id, lock=True)
    if kept is not None and kept.complete and not kept.deleted:
        return kept.file
    await discard(request.file_id, unit, now)
    return refusal


async def _own(request: OfFile, unit: UnitOfWork, *, lock: bool = False) -> FileRecord:
    """The file, to its owner who is a member. Raises `file.not_found`, and Unsure as `check_seen` does."""
    kept = await unit.file(request.file_id, lock=lock)
    if kept is not None and kept.file.profile_id != request.profile_id:
        raise file_not_found()
    place = None if kept is None else await unit.place(kept.file.channel_id, request.profile_id)
    return check_seen(kept, place, request.profile_id)


async def _check(file: File, found: ObjectHead, storage: Storage, sniffer: Sniffer) -> None:
    if found.size != file.size:
        raise FILE_SIZE_MISMATCH.exception(f"{file.size} bytes were announced, {found.size} came.")
    head = await storage.head(upload_key(file.id), found, SNIFFED_BYTES)
    if head is None:
        raise _changing()
    looks_like = await sniffer.looks_like(head)
    check_real(file.content_type, looks_like, head, whole=found.size <= SNIFFED_BYTES)


def _changing() -> ServiceError:
    return FILE_NOT_UPLOADED.exception("Other bytes were just being uploaded: try again.")
