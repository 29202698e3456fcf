"""What nobody needs any longer: found in pieces, each piece by one process at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.kit.database import Database

_BURIED = """
    buried AS (
        UPDATE files SET deleted_at = :now WHERE id IN (SELECT id FROM piece) RETURNING profile_id, size
    ), freed AS (
        UPDATE usage SET size = usage.size - gone.size, files = usage.files - gone.files
        FROM (SELECT profile_id, sum(size) AS size, count(*) AS files FROM buried GROUP BY profile_id) AS gone
        WHERE usage.profile_id = gone.profile_id
    )
    SELECT count(*) FROM buried
"""
_OVERDUE = text(
    f"""
    WITH piece AS (
        SELECT id FROM files
        WHERE upload_until < :now AND status = 'PENDING' AND deleted_at IS NULL
        ORDER BY upload_until LIMIT :size FOR UPDATE SKIP LOCKED
    ), {_BURIED}
    """  # noqa: S608 (put together from the above)
)
_OF_CHANNEL = text(
    f"""
    WITH piece AS (
        SELECT id FROM files WHERE channel_id = :id AND deleted_at IS NULL
        ORDER BY id LIMIT :size FOR UPDATE
    ), {_BURIED}
    """  # noqa: S608 (put together from the above)
)
_OF_SERVER = text(
    """
    WITH gone AS (
        DELETE FROM members WHERE server_id = :id AND profile_id IN (
            SELECT profile_id FROM members WHERE server_id = :id ORDER BY profile_id LIMIT :size
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)
_CHANNEL = text(
    """
    SELECT id FROM channels WHERE deleted_at IS NOT NULL AND purged_at IS NULL
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)
_SERVER = text(
    """
    SELECT id FROM servers WHERE deleted_at IS NOT NULL AND purged_at IS NULL
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    """
)
_CHANNEL_PURGED = text("UPDATE channels SET purged_at = :now WHERE id = :id")
_SERVER_PURGED = text("UPDATE servers SET purged_at = :now WHERE id = :id")
_TOMBSTONES = text(
    """
    SELECT id FROM files WHERE deleted_at IS NOT NULL AND purged_at IS NULL
    ORDER BY deleted_at LIMIT :size FOR UPDATE SKIP LOCKED
    """
)
_CLOSED = text(
    """
    SELECT id FROM files
    WHERE upload_until < :now AND (purged_at IS NOT NULL OR (status = 'COMPLETE' AND deleted_at IS NULL))
    ORDER BY upload_until LIMIT :size FOR UPDATE SKIP LOCKED
    """
)
_PURGED = text("UPDATE files SET purged_at = :now WHERE id = ANY(:ids)")
_CLOSE = text("UPDATE files SET upload_until = NULL WHERE id = ANY(:ids)")
_FORGET = text("DELETE FROM files WHERE id = ANY(:ids) AND purged_at IS NOT NULL AND upload_until IS NULL")


class PostgresLeftovers:
    """Finds what nobody needs any longer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def overdue(self, now: datetime, size: int) -> int:
        """Make tombstones of files whose upload was not completed in time; gives how many."""
        async with self._database.transaction() as session:
            buried: int = (await session.execute(_OVERDUE, {"now": now, "size": size})).scalar_one()
            return buried

    async def of_deleted_channels(self, now: datetime, size: int) -> int:
        """Make tombstones of the files of deleted channels and servers; gives how many rows were touched."""
        touched = await self._piece(_CHANNEL, _OF_CHANNEL, _CHANNEL_PURGED, size, now)
        return touched or await self._piece(_SERVER, _OF_SERVER, _SERVER_PURGED, size, now)

    @asynccontextmanager
    async def without_use(self, now: datetime, size: int) -> AsyncIterator[tuple[list[UUID], list[UUID]]]:
        """Tombstones with bytes, and files whose place for uploads nobody may write to any more.

        They are locked within the block. When it ends well both are marked, and tombstones without either are
        forgotten.
        """
        async with self._database.transaction() as session:
            buried = await _ids(session, _TOMBSTONES, {"size": size})
            closed = await _ids(session, _CLOSED, {"size": size, "now": now})
            yield buried, closed
            await session.execute(_PURGED, {"ids": buried, "now": now})
            await session.execute(_CLOSE, {"ids": closed})
            await session.execute(_FORGET, {"ids": [*buried, *closed]})

    async def _piece(
        self, find: TextClause, bury: TextClause, mark: TextClause, size: int, now: datetime
    ) -> int:
        async with self._database.transaction() as session:
            owner = await session.scalar(find)
            if owner is None:
                return 0
            piece = {"id": owner, "size": size, "now": now}
            gone: int = (await session.execute(bury, piece)).scalar_one()
            if gone < size:
                await session.execute(mark, {"id": owner, "now": now})
            return max(gone, 1)


async def _ids(session: AsyncSession, statement: TextClause, bounds: dict[str, object]) -> list[UUID]:
    return list((await session.execute(statement, bounds)).scalars())
