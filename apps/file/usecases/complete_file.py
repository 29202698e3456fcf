"""Complete a file."""

from datetime import datetime
from typing import Any

from apps.file.domain.files import FileRecord, check_visible, file_not_found
from apps.file.domain.keys import file_key, upload_key
from apps.file.domain.types import SNIFFED_BYTES, check_matches
from apps.file.ports import ObjectHead, Sniffer, Storage, UnitOfWork, UnitOfWorkFactory
from apps.file.usecases.file_states import discard, mark_complete
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NOT_FOUND, FILE_NOT_UPLOADED, FILE_SIZE_MISMATCH, ServiceError
from shared.contracts.file import File, OfFile


async def complete_file(
    request: OfFile, call: Any, units: UnitOfWorkFactory, storage: Storage, sniffer: Sniffer, clock: Clock
) -> File:
    """Check the uploaded bytes, share the file with the members, and return it.

    * Only its owner completes a file, while a member of its channel. Completing it again changes nothing.
    * The uploaded bytes must have the announced size and type; a file with other bytes is deleted.
    * Checked bytes are copied to a key that no client can write, because the upload URL may still be valid.
      If a copy takes longer than the call, the next call finds it.
    * The same call again, or another with the same Idempotency-Key, gets the same answer, also if it had the
      file deleted, or the file was deleted since. An error that changed nothing is not stored: the next call
      checks again.
    * It publishes `file.completed`.
    """
    async with units.snapshot() as unit:
        stored_answer = await unit.find_stored(call, request.profile_id)
        if stored_answer is not None:
            return stored_answer(call.body)
        file = await _own(request, unit)
    if not file.complete:
        rejection = await _copy_checked(file.file, storage, sniffer)
        if rejection is not None:
            return await units.run_once(
                call, request.profile_id, lambda unit: _reject(request, rejection, unit, clock.now())
            )
    try:
        return await units.run_once(
            call, request.profile_id, lambda unit: _share(request, unit), store_errors=False
        )
    except ServiceError as error:
        if error.code is FILE_NOT_FOUND:  # deleted since: the copy must not stay
            async with units.transaction() as unit:
                await discard(request.file_id, unit, clock.now())
        raise


async def _copy_checked(file: File, storage: Storage, sniffer: Sniffer) -> ServiceError | None:
    """Copy the uploaded bytes to the key of the file; return the error if they are to be deleted.

    Raises `file.not_uploaded` while there are none, or they change.
    """
    uploaded = await storage.head(upload_key(file.id))
    if uploaded is None:
        raise FILE_NOT_UPLOADED.exception("Nothing was uploaded yet to the URL that came with this file.")
    try:
        await _check(file, uploaded, storage, sniffer)
    except ServiceError as error:
        if error.code.status >= 500 or error.code is FILE_NOT_UPLOADED:
            raise
        return error
    if not await storage.copy(upload_key(file.id), uploaded, file_key(file.id), file.content_type):
        raise _changing()
    return None


async def _share(request: OfFile, unit: UnitOfWork) -> File:
    """Complete it. Its size and type are the announced ones, which were checked."""
    file = await _own(request, unit, lock=True)
    return await mark_complete(file, file.file.size, file.file.content_type, unit)


async def _reject(
    request: OfFile, rejection: ServiceError, unit: UnitOfWork, now: datetime
) -> File | ServiceError:
    """Delete it, and store the error in the same transaction; unless another call has completed it."""
    file = await unit.find(request.file_id, lock=True)
    if file is not None and file.complete and not file.deleted:
        return file.file
    await discard(request.file_id, unit, now)
    return rejection


async def _own(request: OfFile, unit: UnitOfWork, *, lock: bool = False) -> FileRecord:
    """Return the file to its owner who is a member. Raises `file.not_found`, MembershipUnknown."""
    file = await unit.find(request.file_id, lock=lock)
    if file is not None and file.file.profile_id != request.profile_id:
        raise file_not_found()
    membership = None if file is None else await unit.membership(file.file.channel_id, request.profile_id)
    return check_visible(file, membership, request.profile_id)


async def _check(file: File, uploaded: ObjectHead, storage: Storage, sniffer: Sniffer) -> None:
    if uploaded.size != file.size:
        raise FILE_SIZE_MISMATCH.exception(f"{file.size} bytes were announced, {uploaded.size} came.")
    head = await storage.read_start(upload_key(file.id), uploaded, SNIFFED_BYTES)
    if head is None:
        raise _changing()
    looks_like = await sniffer.looks_like(head)
    check_matches(file.content_type, looks_like, head, whole=uploaded.size <= SNIFFED_BYTES)


def _changing() -> ServiceError:
    return FILE_NOT_UPLOADED.exception("Other bytes were just being uploaded: try again.")
