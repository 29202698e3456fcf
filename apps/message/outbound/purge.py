"""Rows that deleted channels and servers have left, on Postgres; their own rows stay as tombstones."""

from datetime import datetime

from sqlalchemy import CursorResult, Delete, delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from apps.message.outbound.tables import ChannelRow, DeletedFileRow, MemberRow, MessageRow, ServerRow
from shared.kit.database.database import Database


class SqlPurge:
    """`apps.message.ports.Purge` on Postgres. Several processes may purge at once: each skips locked rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete_batch(self, size: int, now: datetime) -> int:
        """Delete up to `size` rows of one channel or server. Return their number, 0 when none is left."""
        async with self._database.transaction() as session:
            deleted = await _delete_messages(session, size, now)
        if deleted:
            return deleted
        async with self._database.transaction() as session:
            return await _delete_members(session, size, now)

    async def delete_old_files(self, before: datetime) -> None:
        """Delete the records of files that were deleted before then."""
        async with self._database.transaction() as session:
            await _execute(session, delete(DeletedFileRow).where(col(DeletedFileRow.deleted_at) < before))


async def _delete_messages(session: AsyncSession, size: int, now: datetime) -> int:
    """Delete messages of one deleted channel; mark the channel as purged after the last ones."""
    channel_id = await session.scalar(
        select(ChannelRow.id)
        .where(col(ChannelRow.deleted_at).is_not(None), col(ChannelRow.purged_at).is_(None))
        .order_by(col(ChannelRow.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if channel_id is None:
        return 0
    of_channel = col(MessageRow.channel_id) == channel_id
    first = select(MessageRow.sequence).where(of_channel).order_by(col(MessageRow.sequence)).limit(size)
    deleted = await _execute(
        session, delete(MessageRow).where(of_channel, col(MessageRow.sequence).in_(first))
    )
    if deleted < size:
        await session.execute(
            update(ChannelRow).where(col(ChannelRow.id) == channel_id).values(purged_at=now)
        )
    return max(deleted, 1)


async def _delete_members(session: AsyncSession, size: int, now: datetime) -> int:
    """Delete members of one deleted server; mark the server as purged after the last ones."""
    server_id = await session.scalar(
        select(ServerRow.id)
        .where(col(ServerRow.deleted_at).is_not(None), col(ServerRow.purged_at).is_(None))
        .order_by(col(ServerRow.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if server_id is None:
        return 0
    of_server = col(MemberRow.server_id) == server_id
    first = select(MemberRow.profile_id).where(of_server).order_by(col(MemberRow.profile_id)).limit(size)
    deleted = await _execute(
        session, delete(MemberRow).where(of_server, col(MemberRow.profile_id).in_(first))
    )
    if deleted < size:
        await session.execute(update(ServerRow).where(col(ServerRow.id) == server_id).values(purged_at=now))
    return max(deleted, 1)


async def _execute(session: AsyncSession, statement: Delete) -> int:
    """Return the number of rows that were deleted."""
    result = await session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount
