"""`apps.file.ports.UnitOfWork` on Postgres."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from apps.file.domain.files import ChannelMembership, FileRecord, Usage
from apps.file.outbound.tables import CHANNELS, MEMBERS, FileRow, UsageRow
from apps.file.ports import StoredAnswer, UnitOfWork, UnitOfWorkFactory
from shared.contracts.base import Answer
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import ServiceError
from shared.contracts.event import EventType
from shared.contracts.fields import Role
from shared.contracts.file import File, FileStatus
from shared.kit.database.database import Database
from shared.kit.database.idempotency import find_stored
from shared.kit.database.unit_of_work import SqlUnitOfWorkFactory
from shared.kit.outbox.outbox import Outbox
from shared.kit.wire.call import Call, Reply


def sql_unit_of_work_factory(database: Database, clock: Clock, ids: Ids) -> UnitOfWorkFactory:
    """Return the transactions of the use cases."""
    return _FileUnitOfWorkFactory(
        database, lambda session: SqlUnitOfWork(session, Outbox(session, clock, ids), clock), clock
    )


class _FileUnitOfWorkFactory(SqlUnitOfWorkFactory[UnitOfWork]):
    async def run_once(
        self,
        call: Call,
        profile_id: UUID,
        work: Callable[[UnitOfWork], Awaitable[File | ServiceError]],
        *,
        store_errors: bool = True,
    ) -> File:
        """Do the work in a transaction, unless the call has a stored answer: then return that one."""
        return _decode_answer(await super().run_once(call, profile_id, work, store_errors=store_errors))


class SqlUnitOfWork:
    """One transaction."""

    def __init__(self, session: AsyncSession, outbox: Outbox, clock: Clock) -> None:
        self._session = session
        self._outbox = outbox
        self._clock = clock

    async def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership | None:
        """Return what our copy knows of a profile in a channel; None for an unknown channel."""
        channel, member = CHANNELS.c, MEMBERS.c
        is_member = (member.server_id == channel.server_id) & (member.profile_id == profile_id)
        query = (
            select(channel.server_id, channel.deleted_at, member.role)
            .select_from(CHANNELS.outerjoin(MEMBERS, is_member))
            .where(channel.id == channel_id)
        )
        row = (await self._session.execute(query)).one_or_none()
        if row is None:
            return None
        role = None if row.role is None else Role(row.role)
        return ChannelMembership(server_id=row.server_id, deleted=row.deleted_at is not None, role=role)

    async def lock_usage(self, profile_id: UUID) -> Usage:
        """Return the usage of a person, locked until the end of the transaction."""
        empty = postgresql.insert(UsageRow).values(profile_id=profile_id, size=0, files=0)
        await self._session.execute(empty.on_conflict_do_nothing())
        query = (
            select(UsageRow.size, UsageRow.files)
            .where(col(UsageRow.profile_id) == profile_id)
            .with_for_update()
        )
        row = (await self._session.execute(query)).one()
        return Usage(row.size, row.files)

    async def charge(self, profile_id: UUID, size: int, files: int) -> None:
        """Add these bytes and files to a person's usage; negative numbers release them."""
        changed = {"size": UsageRow.size + size, "files": UsageRow.files + files}
        await self._session.execute(
            update(UsageRow).where(col(UsageRow.profile_id) == profile_id).values(changed)
        )

    async def add(self, file: FileRecord) -> None:
        """Store a new file."""
        await self._session.execute(insert(FileRow).values(_columns(file)))

    async def find(self, file_id: UUID, *, lock: bool = False) -> FileRecord | None:
        """Return a file or the tombstone of one; `lock` locks its row until the end of the transaction."""
        query = select(FileRow).where(col(FileRow.id) == file_id)
        if lock:
            query = query.with_for_update()
        row = await self._session.scalar(query, execution_options=_FRESH)
        return None if row is None else file_of(row)

    async def find_all(self, file_ids: Sequence[UUID]) -> list[FileRecord]:
        """Return the existing files among these, in any order."""
        query = select(FileRow).where(col(FileRow.id).in_(file_ids))
        return [file_of(row) for row in await self._session.scalars(query, execution_options=_FRESH)]

    async def update(self, file: FileRecord) -> None:
        """Store the changeable fields of a file."""
        shared = file.file
        await self._update(
            file,
            size=shared.size,
            content_type=shared.content_type,
            status=shared.status,
            revision=file.revision,
            upload_until=file.upload_until,
            charged=file.charged,
            purge_at=file.purge_at,
            thumbnails=file.thumbnails,
            thumbnail_tries=file.thumbnail_tries,
            thumbnails_after=file.thumbnails_after,
        )

    async def mark_deleted(self, file: FileRecord, call_id: str, now: datetime) -> None:
        """Turn it into a tombstone; its bytes are purged from now on."""
        await self._update(
            file,
            deleted_at=now,
            purge_at=now,
            deleting_call=call_id,
            charged=file.charged,
            upload_until=file.upload_until,
        )

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""
        await self._outbox.publish(event_type, key, revision, data)

    async def find_stored(self, call: Call, profile_id: UUID) -> StoredAnswer | None:
        """Return the stored answer to this call; None without one."""
        stored = await find_stored(self._session, call, profile_id, clock=self._clock)
        return None if stored is None else lambda body: _decode_answer(stored.answer(body))

    async def _update(self, file: FileRecord, **changed: Any) -> None:
        statement = update(FileRow).where(col(FileRow.id) == file.file.id).values(changed)
        await self._session.execute(statement, execution_options={"synchronize_session": False})


_FRESH = {"populate_existing": True}
"""A row that this session has read before is read again: an update may have changed it since."""


def file_of(row: FileRow) -> FileRecord:
    """Return the file of a row."""
    return FileRecord(
        file=File(
            id=row.id,
            channel_id=row.channel_id,
            profile_id=row.profile_id,
            name=row.name,
            size=row.size,
            content_type=row.content_type,
            status=FileStatus(row.status),
            created_at=row.created_at,
        ),
        server_id=row.server_id,
        revision=row.revision,
        sha256=row.sha256,
        upload_until=row.upload_until,
        charged=row.charged,
        purge_at=row.purge_at,
        thumbnails=row.thumbnails,
        thumbnail_tries=row.thumbnail_tries,
        thumbnails_after=row.thumbnails_after,
        deleted=row.deleted_at is not None,
        deleting_call=row.deleting_call,
    )


def _columns(file: FileRecord) -> dict[str, Any]:
    shared = file.file
    return {
        "id": shared.id,
        "channel_id": shared.channel_id,
        "server_id": file.server_id,
        "profile_id": shared.profile_id,
        "name": shared.name,
        "size": shared.size,
        "content_type": shared.content_type,
        "sha256": file.sha256,
        "status": shared.status,
        "revision": file.revision,
        "upload_until": file.upload_until,
        "charged": file.charged,
        "purge_at": file.purge_at,
        "thumbnails": file.thumbnails,
        "created_at": shared.created_at,
    }


def _decode_answer(answer: Answer | Reply | None) -> File:
    """Return the file of a new answer, or decode the stored bytes of an earlier one."""
    if isinstance(answer, Reply):
        assert isinstance(answer.body, bytes)
        return msgspec.json.decode(answer.body, type=File)
    assert isinstance(answer, File)
    return answer
