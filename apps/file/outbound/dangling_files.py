"""`apps.file.ports.DanglingFiles` on Postgres: batches, each found by one process at a time."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CursorResult,
    DateTime,
    Select,
    Table,
    Uuid,
    column,
    delete,
    func,
    not_,
    or_,
    update,
    values,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from apps.file.domain.keys import DanglingFile
from apps.file.outbound.tables import CHANNELS, MEMBERS, SERVERS, UPLOAD_PENDING, FileRow, UsageRow
from shared.contracts.file import FileStatus
from shared.kit.database.database import Database


class SqlDanglingFiles:
    """Finds files and tombstones that nobody needs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete_overdue(self, now: datetime, size: int) -> int:
        """Turn at most `size` files with an overdue upload into tombstones; return how many."""
        overdue = (
            select(FileRow.id)
            .where(UPLOAD_PENDING, col(FileRow.upload_until) < now)
            .order_by(col(FileRow.upload_until))
            .limit(size)
            .with_for_update(skip_locked=True)
        )
        async with self._database.transaction() as session:
            return await _mark_deleted(session, overdue, now)

    async def delete_of_deleted_channels(self, now: datetime, size: int) -> int:
        """Turn files of deleted channels and servers into tombstones; return how many rows were touched."""
        async with self._database.transaction() as session:
            if (channel_id := await _next_to_purge(session, CHANNELS)) is None:
                return await _delete_members(session, now, size)
            files = (
                select(FileRow.id)
                .where(col(FileRow.channel_id) == channel_id, col(FileRow.deleted_at).is_(None))
                .order_by(col(FileRow.id))
                .limit(size)
                .with_for_update()
            )
            deleted = await _mark_deleted(session, files, now)
            if deleted < size:
                await _mark_purged(session, CHANNELS, channel_id, now)
            return max(deleted, 1)

    async def release_quota(self, now: datetime, size: int) -> int:
        """Release the quota of at most `size` tombstones whose upload URL has expired; return how many."""
        is_closed = or_(col(FileRow.upload_until).is_(None), col(FileRow.upload_until) <= now)
        charged = (
            select(FileRow.id)
            .where(col(FileRow.charged), col(FileRow.deleted_at).is_not(None), is_closed)
            .limit(size)
            .with_for_update(skip_locked=True)
        )
        async with self._database.transaction() as session:
            if ids := (await session.scalars(charged)).all():
                await _release(session, ids)
            return len(ids)

    async def claim(self, now: datetime, until: datetime, size: int) -> list[DanglingFile]:
        """Claim at most `size` files that are due for a purge. `until` identifies this claim."""
        due = (
            select(FileRow.id)
            .where(col(FileRow.purge_at) <= now)
            .order_by(col(FileRow.purge_at))
            .limit(size)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        last_write = func.greatest(FileRow.upload_until, FileRow.deleted_at).label("last_write_begins_at")
        claimed = (
            update(FileRow)
            .where(col(FileRow.id).in_(select(due.c.id)))
            .values(purge_at=until)
            .returning(col(FileRow.id), col(FileRow.deleted_at), col(FileRow.status), last_write)
        )
        async with self._database.transaction() as session:
            return [
                DanglingFile(
                    row.id,
                    row.deleted_at is not None,
                    row.status == FileStatus.COMPLETE,
                    row.last_write_begins_at,
                )
                for row in await session.execute(claimed, execution_options=_UNSYNCHRONIZED)
            ]

    async def settle(
        self, claim: datetime, done: Collection[UUID], postponed: Mapping[UUID, datetime]
    ) -> None:
        """End a claim: delete the tombstones that are `done`, and set the next purge of the others.

        A file that changed since it was claimed stays as it is.
        """
        is_done = (col(FileRow.id).in_(done), col(FileRow.purge_at) == claim)
        is_deleted = col(FileRow.deleted_at).is_not(None)
        async with self._database.transaction() as session:
            if done:
                await _count(session, delete(FileRow).where(*is_done, is_deleted, not_(col(FileRow.charged))))
                closed = update(FileRow).where(*is_done, not_(is_deleted))
                await _count(session, closed.values(upload_until=None, purge_at=None))
            if postponed:
                await _postpone(session, claim, postponed)


_UNSYNCHRONIZED = {"synchronize_session": False}
"""No session here holds rows that an update would have to refresh."""


async def _count(session: AsyncSession, statement: Any) -> int:
    """Execute an UPDATE or DELETE; return how many rows it changed."""
    result = await session.execute(statement, execution_options=_UNSYNCHRONIZED)
    assert isinstance(result, CursorResult)
    return result.rowcount


async def _mark_deleted(session: AsyncSession, files: Select[Any], now: datetime) -> int:
    batch = files.cte("batch")  # selected, and locked, once
    statement = update(FileRow).where(col(FileRow.id).in_(select(batch.c.id)))
    return await _count(session, statement.values(deleted_at=now, purge_at=now))


async def _next_to_purge(session: AsyncSession, table: Table) -> UUID | None:
    query = (
        select(table.c.id)
        .where(table.c.deleted_at.is_not(None), table.c.purged_at.is_(None))
        .order_by(table.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found: UUID | None = await session.scalar(query)
    return found


async def _mark_purged(session: AsyncSession, table: Table, key: UUID, now: datetime) -> None:
    await session.execute(update(table).where(table.c.id == key).values(purged_at=now))


async def _delete_members(session: AsyncSession, now: datetime, size: int) -> int:
    """Delete memberships of a deleted server, whose channels have no files left."""
    server_id, member = await _next_to_purge(session, SERVERS), MEMBERS.c
    if server_id is None:
        return 0
    batch = select(member.profile_id).where(member.server_id == server_id).order_by(member.profile_id)
    deleted = await _count(
        session,
        delete(MEMBERS).where(member.server_id == server_id, member.profile_id.in_(batch.limit(size))),
    )
    if deleted < size:
        await _mark_purged(session, SERVERS, server_id, now)
    return max(deleted, 1)


async def _release(session: AsyncSession, file_ids: Collection[UUID]) -> None:
    of_files = col(FileRow.id).in_(file_ids)
    owners = select(FileRow.profile_id).where(of_files)
    # Owners are locked in one order, so that two processes do not wait for each other.
    await session.execute(
        select(UsageRow.profile_id)
        .where(col(UsageRow.profile_id).in_(owners))
        .order_by(col(UsageRow.profile_id))
        .with_for_update()
    )
    freed = (
        select(
            FileRow.profile_id,
            func.sum(FileRow.size).label("size"),
            func.count(col(FileRow.id)).label("files"),
        )
        .where(of_files)
        .group_by(col(FileRow.profile_id))
        .subquery()
    )
    await _count(
        session,
        update(UsageRow)
        .where(col(UsageRow.profile_id) == freed.c.profile_id)
        .values(size=UsageRow.size - freed.c.size, files=UsageRow.files - freed.c.files),
    )
    await _count(session, update(FileRow).where(of_files).values(charged=False))


async def _postpone(session: AsyncSession, claim: datetime, postponed: Mapping[UUID, datetime]) -> None:
    later = values(column("id", Uuid), column("at", DateTime(timezone=True)), name="later").data(
        list(postponed.items())
    )
    await _count(
        session,
        update(FileRow)
        .where(col(FileRow.id) == later.c.id, col(FileRow.purge_at) == claim)
        .values(purge_at=later.c.at),
    )
