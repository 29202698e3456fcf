"""Announce a file."""

from datetime import timedelta

from apps.file.domain.files import Allowance
from apps.file.domain.keys import upload_key
from apps.file.domain.types import canonical, check_allowed
from apps.file.ports import Storage, UnitOfWork
from apps.file.usecases.file_states import PendingFile, reserve
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import FILE_NOT_UPLOADED
from shared.contracts.file import CreateFile, File, NewFile


async def create_file(
    request: CreateFile, unit: UnitOfWork, clock: Clock, ids: Ids, allowance: Allowance, ttl_s: int
) -> File:
    """Return a pending file, which can be uploaded for `ttl_s` seconds.

    * Members of the channel's server create files in it.
    * Its size and type must be allowed, and it must fit into the quota of its owner, against which it counts
      from now on.
    * A file that is not completed in time is deleted.
    """
    allowance.check_size(request.size)
    content_type = canonical(request.content_type)
    check_allowed(content_type, allowance.types)
    now = clock.now()
    pending = PendingFile(
        id=ids.new(),
        channel_id=request.channel_id,
        profile_id=request.profile_id,
        name=request.name,
        size=request.size,
        content_type=content_type,
        created_at=now,
        upload_until=now + timedelta(seconds=ttl_s),
        sha256=request.sha256,
    )
    return (await reserve(pending, unit, allowance)).file


async def sign_upload(file: File, sha256: str | None, storage: Storage, clock: Clock, ttl_s: int) -> NewFile:
    """Return the file with an upload URL that is valid until `ttl_s` seconds after its creation.

    * The URL accepts exactly the announced bytes: their number, type, and digest if one was given.
    * It is signed for each answer and stored nowhere: anyone who has it may use it.
    * A repeated request after that time gets none: nobody would purge an object that came later.
    """
    until, now = file.created_at + timedelta(seconds=ttl_s), clock.now()
    if until - now < timedelta(seconds=1):
        raise FILE_NOT_UPLOADED.exception(
            "The time to upload this file is over. If it was not completed, announce it with another key."
        )
    key = upload_key(file.id)
    upload = await storage.presign_upload(key, file.size, file.content_type, sha256, until, now)
    return NewFile(file=file, upload=upload)
