"""Sessions and refresh tokens in Postgres."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, exists, func, insert, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from apps.auth.domain.session import RefreshToken, Session
from apps.auth.outbound.tables import RefreshTokenRow, SessionRow
from shared.contracts.paging import Cursor
from shared.kit.database.rows import select_rows

_ORDER = (col(SessionRow.last_used_at), col(SessionRow.id))


class SqlSessions:
    """`apps.auth.ports.Sessions` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, session: Session) -> None:
        await self._session.execute(insert(SessionRow).values(asdict(session)))

    async def by_id(self, session_id: UUID) -> Session | None:
        return await self._one(select_rows(SessionRow).where(col(SessionRow.id) == session_id))

    async def opened_by(self, profile_id: UUID, call_id: str) -> Session | None:
        statement = select_rows(SessionRow).where(col(SessionRow.profile_id) == profile_id)
        return await self._one(statement.where(col(SessionRow.opened_by) == call_id))

    async def opened_from(self, profile_id: UUID, network: str) -> bool:
        matching = and_(col(SessionRow.profile_id) == profile_id, col(SessionRow.network) == network)
        return bool(await self._session.scalar(select(exists().where(matching))))

    async def save(self, session: Session) -> None:
        values = asdict(session)
        statement = update(SessionRow).where(col(SessionRow.id) == values.pop("id")).values(values)
        await self._session.execute(statement)

    async def active(self, profile_id: UUID, now: datetime) -> list[Session]:
        return await self._all(_active(profile_id, now))

    async def page(self, profile_id: UUID, now: datetime, after: Cursor | None, limit: int) -> list[Session]:
        statement = _active(profile_id, now).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(*_ORDER) < after)
        return await self._all(statement)

    async def _one(self, statement: SelectOfScalar[SessionRow]) -> Session | None:
        return next(iter(await self._all(statement)), None)

    async def _all(self, statement: SelectOfScalar[SessionRow]) -> list[Session]:
        return [_session(row) for row in await self._session.scalars(statement)]


class SqlRefreshTokens:
    """`apps.auth.ports.RefreshTokens` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: RefreshToken) -> None:
        await self._session.execute(insert(RefreshTokenRow).values(asdict(token)))

    async def by_digest(self, session_id: UUID, digest: bytes) -> RefreshToken | None:
        statement = select_rows(RefreshTokenRow).where(
            col(RefreshTokenRow.session_id) == session_id, col(RefreshTokenRow.digest) == digest
        )
        row = (await self._session.scalars(statement)).one_or_none()
        return None if row is None else _token(row)

    async def were_given_to(self, session_id: UUID, call_id: str) -> bool:
        matching = and_(
            col(RefreshTokenRow.session_id) == session_id, col(RefreshTokenRow.given_to) == call_id
        )
        return bool(await self._session.scalar(select(exists().where(matching))))

    async def count(self, session_id: UUID, generation: int) -> int:
        statement = (
            select(func.count())
            .select_from(RefreshTokenRow)
            .where(
                col(RefreshTokenRow.session_id) == session_id, col(RefreshTokenRow.generation) == generation
            )
        )
        return (await self._session.scalars(statement)).one()

    async def remove(self, session_id: UUID, *, before: int) -> None:
        statement = delete(RefreshTokenRow).where(
            col(RefreshTokenRow.session_id) == session_id, col(RefreshTokenRow.generation) < before
        )
        await self._session.execute(statement)


def _active(profile_id: UUID, now: datetime) -> SelectOfScalar[SessionRow]:
    """Select the active sessions of a profile, the one used last first."""
    return (
        select_rows(SessionRow)
        .where(
            col(SessionRow.profile_id) == profile_id,
            col(SessionRow.ended_at).is_(None),
            col(SessionRow.expires_at) > now,
        )
        .order_by(*(column.desc() for column in _ORDER))
    )


def _session(row: SessionRow) -> Session:
    return Session(
        id=row.id,
        profile_id=row.profile_id,
        user_agent=row.user_agent,
        network=row.network,
        opened_by=row.opened_by,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        generation=row.generation,
        current=row.current,
    )


def _token(row: RefreshTokenRow) -> RefreshToken:
    return RefreshToken(
        session_id=row.session_id,
        digest=row.digest,
        generation=row.generation,
        given_to=row.given_to,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
