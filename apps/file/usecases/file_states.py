"""Transitions of a file: pending, complete, deleted. Each happens within a transaction of its caller."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from apps.file.domain.files import Allowance, FileRecord, require_member
from apps.file.ports import UnitOfWork
from shared.contracts.event import FILE_COMPLETED, FILE_DELETED, FileDeleted
from shared.contracts.file import File, FileStatus


class PendingFile(Struct, frozen=True, kw_only=True):
    """A file that is going to be uploaded; `size` is what it reserves of the quota, in bytes."""

    id: UUID
    channel_id: UUID
    profile_id: UUID
    name: str
    size: int
    content_type: str
    created_at: datetime
    upload_until: datetime
    sha256: str | None = None


async def reserve(pending: PendingFile, unit: UnitOfWork, allowance: Allowance) -> FileRecord:
    """Store a pending file, charged to the quota of its owner.

    Raises `channel.not_found`, MembershipUnknown, `quota.exceeded`.
    """
    membership = require_member(await unit.membership(pending.channel_id, pending.profile_id))
    allowance.check_quota(await unit.lock_usage(pending.profile_id), pending.size)
    file = FileRecord(
        file=File(
            id=pending.id,
            channel_id=pending.channel_id,
            profile_id=pending.profile_id,
            name=pending.name.strip(),
            size=pending.size,
            content_type=pending.content_type,
            status=FileStatus.PENDING,
            created_at=pending.created_at,
        ),
        server_id=membership.server_id,
        sha256=pending.sha256,
        upload_until=pending.upload_until,
    )
    await unit.charge(pending.profile_id, pending.size, 1)
    await unit.add(file)
    return file


async def mark_complete(file: FileRecord, size: int, content_type: str, unit: UnitOfWork) -> File:
    """Show the file to the members and publish `file.completed`. Doing so again changes nothing.

    Its row is locked by the caller. The object at its upload key is purged when its URL has expired.
    """
    if file.complete:
        return file.file
    freed = file.file.size - size
    if freed:
        await unit.charge(file.file.profile_id, -freed, 0)
    shared = replace(file.file, status=FileStatus.COMPLETE, size=size, content_type=content_type)
    completed = replace(file, file=shared, revision=file.revision + 1, purge_at=file.upload_until)
    await unit.update(completed)
    await unit.publish(FILE_COMPLETED, shared.channel_id, completed.revision, shared)
    return shared


async def mark_deleted(file: FileRecord, unit: UnitOfWork, now: datetime, call_id: str = "") -> None:
    """Leave a tombstone, whose bytes are purged from now on. Its row is locked by the caller.

    Its quota is released when its upload URL has expired: at once, or by the sweep.
    """
    charged = file.is_open(now)
    await unit.mark_deleted(replace(file, charged=charged), call_id, now)
    if not charged:
        await unit.charge(file.file.profile_id, -file.file.size, -1)
    if file.complete:
        deleted = FileDeleted(id=file.file.id, channel_id=file.file.channel_id, server_id=file.server_id)
        await unit.publish(FILE_DELETED, file.file.channel_id, file.revision + 1, deleted)


async def discard(file_id: UUID, unit: UnitOfWork, now: datetime, *, has_url: bool = True) -> None:
    """Delete a pending file whose bytes are wrong; `has_url`: a client has its upload URL.

    If it is deleted already, its keys are purged again: more objects may have come since.
    """
    file = await unit.find(file_id, lock=True)
    if file is None:
        return
    if file.deleted:
        await unit.update(replace(file, purge_at=now))
    elif not file.complete:
        until = file.upload_until if has_url else None
        await mark_deleted(replace(file, upload_until=until), unit, now)
