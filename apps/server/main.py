"""The server service: what it is made of, from top to bottom."""

import os

from apps.server.inbound.kafka import answer_all, hear
from apps.server.outbound.desk import SqlDesk
from apps.server.outbound.invite_codes import RandomInviteCodes
from apps.server.outbound.unit_of_work import sql_unit_of_work_factory
from apps.server.settings import ServerSettings
from apps.server.usecases.clean_up import purge_deleted, sweep_invites
from shared.kit.config.settings import load
from shared.kit.database.idempotency import sweep_requests
from shared.kit.runtime.service import run_service
from shared.kit.runtime.service_context import ServiceContext

SWEEP_REQUESTS_S = 60
SWEEP_INVITES_S = 600


async def build(context: ServiceContext[ServerSettings]) -> None:
    """Put the service together; nothing is consumed before this is done."""
    settings = context.settings
    database = await context.open_database(settings.server_database_url)
    await context.start_outbox(database)
    units = sql_unit_of_work_factory(database, context.clock, context.ids)
    desk = SqlDesk(units, await context.open_client())

    answer_all(context.handlers, desk, context.clock, context.ids, RandomInviteCodes())
    context.subscribe(("user-events",), hear(units))

    context.every(settings.server_clean_up_s, lambda: purge_deleted(units))
    context.every(SWEEP_INVITES_S, lambda: sweep_invites(units, context.clock))
    context.every(SWEEP_REQUESTS_S, lambda: sweep_requests(database, context.clock))


def main() -> None:
    """Run until SIGTERM."""
    run_service("server", load(ServerSettings, os.environ), build)


if __name__ == "__main__":
    main()
