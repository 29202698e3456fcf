"""Deletion of expired rows in Postgres: in batches, skipping rows that are locked."""

from datetime import datetime

from sqlalchemy import ColumnElement, CursorResult, Delete, delete, exists, tuple_
from sqlmodel import col, select

from apps.auth.outbound.tables import AttemptRow, RefreshTokenRow, SessionRow
from shared.kit.database.database import Database


class SqlExpiredRows:
    """`apps.auth.ports.ExpiredRows`; each batch is a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remove_tokens(self, expired_before: datetime, limit: int) -> int:
        removed = await self._remove(_expired_tokens(expired_before, limit))
        return removed + await self._remove(_tokens_of_ended_sessions(expired_before, limit - removed))

    async def remove_sessions(self, expired_before: datetime, limit: int) -> int:
        expired, ended = col(SessionRow.expires_at), col(SessionRow.ended_at)
        removed = await self._remove(_sessions_without_tokens(expired < expired_before, limit))
        ended_before = ended < expired_before
        return removed + await self._remove(_sessions_without_tokens(ended_before, limit - removed))

    async def remove_attempts(self, expired_before: datetime, limit: int) -> int:
        key = col(AttemptRow.key)
        batch = select(AttemptRow.key).where(col(AttemptRow.paid_back_at) < expired_before).limit(limit)
        return await self._remove(delete(AttemptRow).where(key.in_(batch.with_for_update(skip_locked=True))))

    async def _remove(self, statement: Delete) -> int:
        async with self._database.transaction() as session:
            result = await session.execute(statement, execution_options={"synchronize_session": False})
            assert isinstance(result, CursorResult)
            return result.rowcount


_TOKEN_KEY = (col(RefreshTokenRow.session_id), col(RefreshTokenRow.digest))


def _expired_tokens(expired_before: datetime, limit: int) -> Delete:
    batch = (
        select(RefreshTokenRow.session_id, RefreshTokenRow.digest)
        .where(col(RefreshTokenRow.expires_at) < expired_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return delete(RefreshTokenRow).where(tuple_(*_TOKEN_KEY).in_(batch))


def _tokens_of_ended_sessions(ended_before: datetime, limit: int) -> Delete:
    batch = (
        select(RefreshTokenRow.session_id, RefreshTokenRow.digest)
        .select_from(SessionRow)
        .join(RefreshTokenRow, col(RefreshTokenRow.session_id) == col(SessionRow.id))
        .where(col(SessionRow.ended_at) < ended_before)
        .limit(limit)
        .with_for_update(of=RefreshTokenRow, skip_locked=True)
    )
    return delete(RefreshTokenRow).where(tuple_(*_TOKEN_KEY).in_(batch))


def _sessions_without_tokens(condition: ColumnElement[bool], limit: int) -> Delete:
    has_tokens = exists().where(col(RefreshTokenRow.session_id) == col(SessionRow.id))
    batch = select(SessionRow.id).where(condition, ~has_tokens).limit(limit).with_for_update(skip_locked=True)
    return delete(SessionRow).where(col(SessionRow.id).in_(batch))
