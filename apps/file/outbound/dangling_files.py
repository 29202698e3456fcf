"""What nobody needs any longer: found in pieces, each piece by one process at a time."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text

from apps.file.domain.keys import DanglingFile
from shared.contracts.file import FileStatus
from shared.kit.database.database import Database

_BURIED = """
    buried AS (
        UPDATE files SET deleted_at = :now, purge_at = :now WHERE id IN (SELECT id FROM piece) RETURNING 1
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
# Owners are locked in one order, so that two who give back at once do not wait for each other.
_GIVE_BACK = text(
    """
    WITH piece AS (
        SELECT id, profile_id, size FROM files
        WHERE charged AND deleted_at IS NOT NULL AND (upload_until IS NULL OR upload_until <= :now)
        LIMIT :size FOR UPDATE SKIP LOCKED
    ), freed AS (
        UPDATE files SET charged = false WHERE id IN (SELECT id FROM piece)
    ), owners AS (
        SELECT profile_id FROM usage WHERE profile_id IN (SELECT profile_id FROM piece)
        ORDER BY profile_id FOR UPDATE
    ), given AS (
        UPDATE usage SET size = usage.size - gone.size, files = usage.files - gone.files
        FROM (
            SELECT profile_id, sum(size) AS size, count(*) AS files
            FROM piece JOIN owners USING (profile_id) GROUP BY profile_id
        ) AS gone
        WHERE usage.profile_id = gone.profile_id
    )
    SELECT count(*) FROM piece
    """
)
_CLAIM = text(
    """
    UPDATE files SET purge_at = :until
    WHERE id IN (
        SELECT id FROM files WHERE purge_at <= :now ORDER BY purge_at LIMIT :size FOR UPDATE SKIP LOCKED
    )
    RETURNING id, deleted_at IS NOT NULL AS deleted, status,
        greatest(upload_until, deleted_at) AS last_begun_at
    """
)
_FORGET = text(
    "DELETE FROM files WHERE id = ANY(:ids) AND purge_at = :claim AND deleted_at IS NOT NULL AND NOT charged"
)
_CLOSE = text(
    """
    UPDATE files SET upload_until = NULL, purge_at = NULL
    WHERE id = ANY(:ids) AND purge_at = :claim AND deleted_at IS NULL
    """
)
_AGAIN = text(
    """
    UPDATE files SET purge_at = again.at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[])) AS again (id, at)
    WHERE files.id = again.id AND purge_at = :claim
    """
)


class SqlDanglingFiles:
    """Finds what nobody needs any longer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def overdue(self, now: datetime, size: int) -> int:
        """Make tombstones of files whose upload was not completed in time; gives how many."""
        return await self._count(_OVERDUE, now, size)

    async def of_deleted_channels(self, now: datetime, size: int) -> int:
        """Make tombstones of the files of deleted channels and servers; gives how many rows were touched."""
        touched = await self._piece(_CHANNEL, _OF_CHANNEL, _CHANNEL_PURGED, size, now)
        return touched or await self._piece(_SERVER, _OF_SERVER, _SERVER_PURGED, size, now)

    async def give_back(self, now: datetime, size: int) -> int:
        """Count tombstones no longer whose address takes no more bytes; gives how many."""
        return await self._count(_GIVE_BACK, now, size)

    async def claim(self, now: datetime, until: datetime, size: int) -> list[DanglingFile]:
        """What is to be purged by now. Nobody else is given it before `until`, which names this claim."""
        async with self._database.transaction() as session:
            claimed = await session.execute(_CLAIM, {"now": now, "until": until, "size": size})
            return [
                DanglingFile(row.id, row.deleted, row.status == FileStatus.COMPLETE, row.last_begun_at)
                for row in claimed
            ]

    async def settle(self, claim: datetime, done: Collection[UUID], again: Mapping[UUID, datetime]) -> None:
        """End a claim: forget the tombstones that are `done`, and look at the others when it is said.

        A file that changed since it was claimed stays as it is.
        """
        async with self._database.transaction() as session:
            if done:
                await session.execute(_FORGET, {"ids": list(done), "claim": claim})
                await session.execute(_CLOSE, {"ids": list(done), "claim": claim})
            if again:
                later = {"ids": list(again), "times": list(again.values()), "claim": claim}
                await session.execute(_AGAIN, later)

    async def _count(self, statement: TextClause, now: datetime, size: int) -> int:
        async with self._database.transaction() as session:
            rows: int = (await session.execute(statement, {"now": now, "size": size})).scalar_one()
            return rows

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
