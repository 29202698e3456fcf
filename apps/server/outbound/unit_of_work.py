"""The unit of work on Postgres: the repositories over one session."""

from sqlalchemy.ext.asyncio import AsyncSession

from apps.server.outbound.channels import SqlChannels
from apps.server.outbound.invites import SqlInvites
from apps.server.outbound.members import SqlMembers
from apps.server.outbound.profiles import SqlProfiles
from apps.server.outbound.servers import SqlServers
from shared.contracts.clock import Clock, Ids
from shared.kit.database.database import Database
from shared.kit.database.unit_of_work import SqlUnitOfWorkFactory
from shared.kit.outbox.outbox import Outbox


class SqlUnitOfWork:
    """`apps.server.ports.UnitOfWork` over a session."""

    def __init__(self, session: AsyncSession, clock: Clock, ids: Ids) -> None:
        self.servers = SqlServers(session)
        self.channels = SqlChannels(session)
        self.members = SqlMembers(session)
        self.invites = SqlInvites(session)
        self.profiles = SqlProfiles(session)
        self.events = Outbox(session, clock, ids)


def sql_unit_of_work_factory(
    database: Database, clock: Clock, ids: Ids
) -> SqlUnitOfWorkFactory[SqlUnitOfWork]:
    """Return `apps.server.ports.UnitOfWorkFactory` over a database."""
    return SqlUnitOfWorkFactory(database, lambda session: SqlUnitOfWork(session, clock, ids), clock)
