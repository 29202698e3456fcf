"""Announce a file."""

from datetime import timedelta

from apps.file.domain.files import Allowance
from apps.file.domain.keys import upload_key
from apps.file.domain.types import canonical, check_allowed
from apps.file.ports import Storage, UnitOfWork
from apps.file.usecases.upload_steps import Draft, add_file
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import FILE_NOT_UPLOADED
from shared.contracts.file import CreateFile, File, NewFile


async def create_file(
    request: CreateFile, unit: UnitOfWork, allowance: Allowance, clock: Clock, ids: Ids, life_s: int
) -> File:
    """A file that waits for its bytes, for `life_s` seconds.

    * Members of the channel's server create files in it.
    * Its size and type are within what is allowed here, and it fits into the quota of its owner, against
      which it counts from now on.
    * What is not complete in time is taken away.
    """
    allowance.check_size(request.size)
    content_type = canonical(request.content_type)
    check_allowed(content_type, allowance.types)
    now = clock.now()
    draft = Draft(
        id=ids.new(),
        channel_id=request.channel_id,
        profile_id=request.profile_id,
        name=request.name,
        size=request.size,
        content_type=content_type,
        created_at=now,
        upload_until=now + timedelta(seconds=life_s),
        sha256=request.sha256,
    )
    return (await add_file(draft, unit, allowance)).file


async def address_file(
    file: File, sha256: str | None, storage: Storage, clock: Clock, life_s: int
) -> NewFile:
    """The file with an address that takes its bytes until `life_s` seconds after it was created.

    * The address takes exactly so many bytes of this type, and of this digest when one was given.
    * It is signed each time it is told, and stored nowhere: whoever has it may use it.
    * When its time is over there is none, also for who asks again: what came then nobody would take away.
    """
    until, now = file.created_at + timedelta(seconds=life_s), clock.now()
    if until - now < timedelta(seconds=1):
        raise FILE_NOT_UPLOADED.exception(
            "The time to upload this file is over. If it was not completed, announce it with another key."
        )
    key = upload_key(file.id)
    upload = await storage.upload_address(key, file.size, file.content_type, sha256, until, now)
    return NewFile(file=file, upload=upload)
