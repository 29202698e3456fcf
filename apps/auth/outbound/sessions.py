"""Sessions and refresh tokens in Postgres."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from apps.auth.domain.session import RefreshToken, Session
from apps.auth.outbound.tables import refresh_tokens, sessions
from shared.contracts.paging import Place


class SqlSessions:
    """`apps.auth.ports.Sessions` over a session of SQLAlchemy."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, session: Session) -> None:
        await self._session.execute(insert(sessions).values(asdict(session)))

    async def by_id(self, session_id: UUID) -> Session | None:
        return next(iter(await self._all(select(sessions).where(sessions.c.id == session_id))), None)

    async def opened_by(self, profile_id: UUID, call_id: str) -> Session | None:
        mine = and_(sessions.c.profile_id == profile_id, sessions.c.opened_by == call_id)
        return next(iter(await self._all(select(sessions).where(mine))), None)

    async def opened_from(self, profile_id: UUID, network: str) -> bool:
        mine = and_(sessions.c.profile_id == profile_id, sessions.c.network == network)
        return bool(await self._session.scalar(select(exists().where(mine))))

    async def save(self, session: Session) -> None:
        values = asdict(session)
        await self._session.execute(update(sessions).where(sessions.c.id == values.pop("id")).values(values))

    async def active(self, profile_id: UUID, now: datetime) -> list[Session]:
        return await self._all(_newest_first(_active(profile_id, now)))

    async def page(self, profile_id: UUID, now: datetime, after: Place | None, limit: int) -> list[Session]:
        statement = _newest_first(_active(profile_id, now)).limit(limit)
        if after is not None:
            place = tuple_(sessions.c.last_used_at, sessions.c.id)
            statement = statement.where(place < tuple_(after.at, after.id))
        return await self._all(statement)

    async def _all(self, statement: Select[tuple[object, ...]]) -> list[Session]:
        return [Session(**row) for row in (await self._session.execute(statement)).mappings()]


class SqlRefreshTokens:
    """`apps.auth.ports.RefreshTokens` over a session of SQLAlchemy."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: RefreshToken) -> None:
        await self._session.execute(insert(refresh_tokens).values(asdict(token)))

    async def by_digest(self, session_id: UUID, digest: bytes) -> RefreshToken | None:
        mine = and_(refresh_tokens.c.session_id == session_id, refresh_tokens.c.digest == digest)
        row = (await self._session.execute(select(refresh_tokens).where(mine))).mappings().one_or_none()
        return None if row is None else RefreshToken(**row)

    async def were_given_to(self, session_id: UUID, call_id: str) -> bool:
        mine = and_(refresh_tokens.c.session_id == session_id, refresh_tokens.c.given_to == call_id)
        return bool(await self._session.scalar(select(exists().where(mine))))

    async def count(self, session_id: UUID, generation: int) -> int:
        mine = and_(refresh_tokens.c.session_id == session_id, refresh_tokens.c.generation == generation)
        statement = select(func.count()).select_from(refresh_tokens).where(mine)
        return (await self._session.execute(statement)).scalar_one()

    async def forget(self, session_id: UUID, *, before: int) -> None:
        mine = and_(refresh_tokens.c.session_id == session_id, refresh_tokens.c.generation < before)
        await self._session.execute(delete(refresh_tokens).where(mine))


def _active(profile_id: UUID, now: datetime) -> ColumnElement[bool]:
    return and_(
        sessions.c.profile_id == profile_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now
    )


def _newest_first(condition: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    statement: Select[tuple[object, ...]] = select(sessions).where(condition)
    return statement.order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc())
