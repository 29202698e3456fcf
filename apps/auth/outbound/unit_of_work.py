"""The unit of work on Postgres: the repositories over one session."""

from sqlalchemy.ext.asyncio import AsyncSession

from apps.auth.outbound.accounts import SqlAccounts
from apps.auth.outbound.attempts import SqlAttempts
from apps.auth.outbound.sessions import SqlRefreshTokens, SqlSessions
from shared.contracts.clock import Clock, Ids
from shared.kit.database.database import Database
from shared.kit.database.unit_of_work import SqlUnitOfWorkFactory
from shared.kit.outbox.outbox import Outbox


class SqlUnitOfWork:
    """`apps.auth.ports.UnitOfWork` over a session."""

    def __init__(self, session: AsyncSession, clock: Clock, ids: Ids) -> None:
        self.accounts = SqlAccounts(session)
        self.sessions = SqlSessions(session)
        self.refresh_tokens = SqlRefreshTokens(session)
        self.attempts = SqlAttempts(session)
        self.events = Outbox(session, clock, ids)


def sql_unit_of_work_factory(
    database: Database, clock: Clock, ids: Ids
) -> SqlUnitOfWorkFactory[SqlUnitOfWork]:
    """Return `apps.auth.ports.UnitOfWorkFactory` over a database."""
    return SqlUnitOfWorkFactory(database, lambda session: SqlUnitOfWork(session, clock, ids), clock)
