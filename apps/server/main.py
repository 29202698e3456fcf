"""The server service's composition root."""

import os

from apps.server.inbound.kafka import on_user_event, register_operations
from apps.server.outbound.accounts import RpcAccounts
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
    """Wire adapters, use cases and handlers; nothing is consumed before this returns."""
    settings, clock, ids = context.settings, context.clock, context.ids
    database = await context.open_database(settings.server_database_url)
    await context.start_outbox(database)
    units = sql_unit_of_work_factory(database, clock, ids)
    client = await context.open_client()

    register_operations(
        context.handlers, units, lambda call: RpcAccounts(client, call), clock, ids, RandomInviteCodes()
    )
    context.subscribe(("user-events",), on_user_event(units))

    context.every(settings.server_clean_up_s, lambda: purge_deleted(units))
    context.every(SWEEP_INVITES_S, lambda: sweep_invites(units, clock))
    context.every(SWEEP_REQUESTS_S, lambda: sweep_requests(database, clock))


def main() -> None:
    """Run the service until SIGTERM."""
    run_service("server", load(ServerSettings, os.environ), build)


if __name__ == "__main__":
    main()
