"""Takes away in pieces what deleted channels and servers leave behind; their own rows stay as tombstones."""

from datetime import datetime

from sqlalchemy import TextClause, text

from shared.kit.database.database import Database

# Two processes may purge at once: each takes another channel or server.
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
_MESSAGES = text(
    """
    WITH piece AS (SELECT sequence FROM messages WHERE channel_id = :id ORDER BY sequence LIMIT :size),
    gone AS (
        DELETE FROM messages WHERE channel_id = :id AND sequence IN (SELECT sequence FROM piece) RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)
_MEMBERS = text(
    """
    WITH piece AS (SELECT profile_id FROM members WHERE server_id = :id ORDER BY profile_id LIMIT :size),
    gone AS (
        DELETE FROM members WHERE server_id = :id AND profile_id IN (SELECT profile_id FROM piece) RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)
_CHANNEL_PURGED = text("UPDATE channels SET purged_at = :now WHERE id = :id")
_SERVER_PURGED = text("UPDATE servers SET purged_at = :now WHERE id = :id")


_FORGET_FILES = text("DELETE FROM deleted_files WHERE deleted_at < :before")


class SqlPurge:
    """Deletes what nobody can see any longer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def piece(self, size: int, now: datetime) -> int:
        """Delete up to `size` rows of one channel or server; 0 when nothing is left to do."""
        touched = await self._piece(_CHANNEL, _MESSAGES, _CHANNEL_PURGED, size, now)
        return touched or await self._piece(_SERVER, _MEMBERS, _SERVER_PURGED, size, now)

    async def forget_deleted_files(self, before: datetime) -> None:
        """Forget files that were deleted before then."""
        async with self._database.transaction() as session:
            await session.execute(_FORGET_FILES, {"before": before})

    async def _piece(
        self, find: TextClause, delete: TextClause, mark: TextClause, size: int, now: datetime
    ) -> int:
        async with self._database.transaction() as session:
            owner = await session.scalar(find)
            if owner is None:
                return 0
            gone: int = (await session.execute(delete, {"id": owner, "size": size})).scalar_one()
            if gone < size:
                await session.execute(mark, {"id": owner, "now": now})
            return max(gone, 1)
