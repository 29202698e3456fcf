"""What is over, in Postgres: removed a batch at a time, past rows that somebody holds."""

from datetime import datetime

from sqlalchemy import CursorResult, TextClause, text

from shared.kit.database.database import Database


class SqlExpiredRows:
    """`apps.auth.ports.ExpiredRows`, each batch a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remove_tokens(self, over_before: datetime, limit: int) -> int:
        removed = await self._remove(_EXPIRED_TOKENS, over_before, limit)
        return removed + await self._remove(_TOKENS_OF_ENDED, over_before, limit - removed)

    async def remove_sessions(self, over_before: datetime, limit: int) -> int:
        removed = await self._remove(_EXPIRED_SESSIONS, over_before, limit)
        return removed + await self._remove(_ENDED_SESSIONS, over_before, limit - removed)

    async def remove_attempts(self, over_before: datetime, limit: int) -> int:
        return await self._remove(_PAID_BACK, over_before, limit)

    async def _remove(self, statement: TextClause, over_before: datetime, limit: int) -> int:
        async with self._database.transaction() as session:
            result = await session.execute(statement, {"over_before": over_before, "batch": limit})
            assert isinstance(result, CursorResult)
            return result.rowcount


_EXPIRED_TOKENS = text(
    """
    DELETE FROM refresh_tokens WHERE (session_id, digest) IN (
        SELECT session_id, digest FROM refresh_tokens WHERE expires_at < :over_before
        LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    """
)
_TOKENS_OF_ENDED = text(
    """
    DELETE FROM refresh_tokens WHERE (session_id, digest) IN (
        SELECT token.session_id, token.digest
        FROM sessions JOIN refresh_tokens token ON token.session_id = sessions.id
        WHERE sessions.ended_at < :over_before
        LIMIT :batch FOR UPDATE OF token SKIP LOCKED
    )
    """
)
_EXPIRED_SESSIONS = text(
    """
    DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE expires_at < :over_before
        AND NOT EXISTS (SELECT FROM refresh_tokens WHERE session_id = sessions.id)
        LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    """
)
_ENDED_SESSIONS = text(
    """
    DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE ended_at < :over_before
        AND NOT EXISTS (SELECT FROM refresh_tokens WHERE session_id = sessions.id)
        LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    """
)
_PAID_BACK = text(
    """
    DELETE FROM attempts WHERE key IN (
        SELECT key FROM attempts WHERE paid_back_at < :over_before
        LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    """
)
