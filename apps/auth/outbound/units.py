"""Units of Postgres: the repositories over one session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from apps.auth.outbound.accounts import SqlAccounts
from apps.auth.outbound.attempts import SqlAttempts
from apps.auth.outbound.sessions import SqlRefreshTokens, SqlSessions
from shared.contracts.clock import Clock, Ids
from shared.kit.database import Database
from shared.kit.outbox import Outbox


class SqlUnit:
    """`apps.auth.ports.Unit` over a session."""

    def __init__(self, session: AsyncSession, clock: Clock, ids: Ids) -> None:
        self.accounts = SqlAccounts(session)
        self.sessions = SqlSessions(session)
        self.refresh_tokens = SqlRefreshTokens(session)
        self.attempts = SqlAttempts(session)
        self.events = Outbox(session, clock, ids)


class SqlUnits:
    """`apps.auth.ports.Units` over a database."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    def within(self, session: AsyncSession) -> SqlUnit:
        """The unit of a transaction that someone else began and ends."""
        return SqlUnit(session, self._clock, self._ids)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlUnit]:
        async with self._database.transaction() as session:
            yield self.within(session)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqlUnit]:
        async with self._database.snapshot() as session:
            yield self.within(session)
