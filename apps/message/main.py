"""The message service's composition root."""

import os

from apps.message.inbound.kafka import on_file_event, on_server_event, register_operations
from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.files import RpcFiles
from apps.message.outbound.history import SqlHistory
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.purge import SqlPurge
from apps.message.outbound.send_batch import SqlSendUnitOfWorkFactory
from apps.message.outbound.unit_of_work import sql_unit_of_work_factory
from apps.message.settings import MessageSettings
from apps.message.usecases.purge_channels import purge_channels
from apps.message.usecases.send_queue import QueueLimits, SendQueue
from shared.kit.config.settings import load
from shared.kit.database.database import Database
from shared.kit.runtime.service import run_service
from shared.kit.runtime.service_context import ServiceContext
from shared.membership.adapters.directory import RpcMembershipDirectory
from shared.membership.adapters.projection import SqlMembershipStore
from shared.membership.resolver import MembershipResolver


async def build(context: ServiceContext[MessageSettings]) -> None:
    """Put the service together; nothing is consumed before this is done."""
    settings, clock, ids = context.settings, context.clock, context.ids
    database = await context.open_database(settings.message_database_url)
    await context.start_outbox(database)
    contents = ContentEncryption(settings.message_content_keys)
    units = sql_unit_of_work_factory(database, clock, ids, contents)
    history = SqlHistory(await _open_pool(context, database, settings.message_history_connections), contents)
    send_pool = await _open_pool(context, database, settings.message_lanes + 1)
    members = SqlMembershipStore(database)

    client = await context.open_client()
    resolver = MembershipResolver(RpcMembershipDirectory(client), members, clock)
    send_units = SqlSendUnitOfWorkFactory(send_pool, clock, ids, contents)
    limits = QueueLimits(locked_channels_max=settings.message_lanes)
    send_queue = SendQueue(send_units, resolver, clock, ids, limits)
    context.on_stop(send_queue.close)

    register_operations(context.handlers, units, send_queue, history, RpcFiles(client), resolver, clock)
    context.subscribe(("server-events",), on_server_event(members, clock))
    context.subscribe(("file-events",), on_file_event(units, clock))

    purge = SqlPurge(database)
    context.every(settings.message_purge_s, lambda: purge_channels(purge, clock))


async def _open_pool(
    context: ServiceContext[MessageSettings], database: Database, size: int
) -> ConnectionPool:
    pool = ConnectionPool(database, size)
    await pool.open()
    context.on_stop(pool.close)
    return pool


def main() -> None:
    """Run until SIGTERM."""
    run_service("message", load(MessageSettings, os.environ), build)


if __name__ == "__main__":
    main()
