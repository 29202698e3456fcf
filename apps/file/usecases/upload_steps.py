"""Steps that several use cases take."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from apps.file.domain.files import Allowance, FileRecord, admit
from apps.file.ports import UnitOfWork
from shared.contracts.event import FILE_COMPLETED, FILE_DELETED, FileDeleted
from shared.contracts.file import File, FileStatus


class Draft(Struct, frozen=True, kw_only=True):
    """A file that is about to be; `size` is what is reserved for it."""

    id: UUID
    channel_id: UUID
    profile_id: UUID
    name: str
    size: int
    content_type: str
    created_at: datetime
    upload_until: datetime
    sha256: str | None = None


async def add_file(draft: Draft, unit: UnitOfWork, allowance: Allowance) -> FileRecord:
    """Store a file that waits for its bytes, in the quota of its owner, who is a member of the channel."""
    place = admit(await unit.place(draft.channel_id, draft.profile_id))
    allowance.check_quota(await unit.lock_usage(draft.profile_id), draft.size)
    kept = FileRecord(
        file=File(
            id=draft.id,
            channel_id=draft.channel_id,
            profile_id=draft.profile_id,
            name=draft.name.strip(),
            size=draft.size,
            content_type=draft.content_type,
            status=FileStatus.PENDING,
            created_at=draft.created_at,
        ),
        server_id=place.server_id,
        sha256=draft.sha256,
        upload_until=draft.upload_until,
    )
    await unit.charge(draft.profile_id, draft.size, 1)
    await unit.add(kept)
    return kept


async def make_complete(kept: FileRecord, size: int, content_type: str, unit: UnitOfWork) -> File:
    """From now on the members see the file; others hear of it. The same again changes nothing.

    The row is locked by then. What lies in its place for uploads is purged when its address has expired.
    """
    if kept.complete:
        return kept.file
    freed = kept.file.size - size
    if freed:
        await unit.charge(kept.file.profile_id, -freed, 0)
    file = replace(kept.file, status=FileStatus.COMPLETE, size=size, content_type=content_type)
    done = replace(kept, file=file, revision=kept.revision + 1, purge_at=kept.upload_until)
    await unit.store(done)
    await unit.publish(FILE_COMPLETED, file.channel_id, done.revision, file)
    return file


async def throw_away(kept: FileRecord, unit: UnitOfWork, now: datetime, call_id: str = "") -> None:
    """Leave a tombstone, whose bytes are purged from now on. The row is locked by then.

    Its room is given back when its address takes no more bytes: at once, or by the sweep.
    """
    charged = kept.is_open(now)
    await unit.bury(replace(kept, charged=charged), call_id, now)
    if not charged:
        await unit.charge(kept.file.profile_id, -kept.file.size, -1)
    if kept.complete:
        gone = FileDeleted(id=kept.file.id, channel_id=kept.file.channel_id, server_id=kept.server_id)
        await unit.publish(FILE_DELETED, kept.file.channel_id, kept.revision + 1, gone)


async def discard(file_id: UUID, unit: UnitOfWork, now: datetime, *, addressed: bool = True) -> None:
    """Throw a file away whose bytes are not what was said; `addressed`: somebody outside has its address.

    When another has thrown it away already, its places are purged again: more may lie there by now.
    """
    kept = await unit.file(file_id, lock=True)
    if kept is None:
        return
    if kept.deleted:
        await unit.store(replace(kept, purge_at=now))
    elif not kept.complete:
        until = kept.upload_until if addressed else None
        await throw_away(replace(kept, upload_until=until), unit, now)
