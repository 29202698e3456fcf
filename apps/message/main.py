"""The message service: what it is made of, from top to bottom."""

import os

from apps.message.inbound.kafka import Inbound, hear, hear_files
from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.files import RpcFiles
from apps.message.outbound.history import SqlHistory
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.purge import SqlPurge
from apps.message.outbound.send_batch import SqlSending
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
    facts = SqlMembershipStore(database)
    contents = ContentEncryption(settings.message_content_keys)
    client = await context.open_client()
    resolver = MembershipResolver(RpcMembershipDirectory(client), facts, clock)

    writing = await _pool(context, database, settings.message_lanes + 1)
    reading = await _pool(context, database, settings.message_history_connections)
    limits = QueueLimits(lanes_at_work=settings.message_lanes)
    sends = SendQueue(SqlSending(writing, clock, ids, contents), resolver, clock, ids, limits)
    context.on_stop(sends.close)

    work = sql_unit_of_work_factory(database, clock, ids, contents)
    history = SqlHistory(reading, contents)
    inbound = Inbound(sends, resolver, history, work, RpcFiles(client), clock)
    inbound.register(context.handlers)
    context.subscribe(("server-events",), hear(facts, clock))
    context.subscribe(("file-events",), hear_files(work, clock))

    purge = SqlPurge(database)
    context.every(settings.message_purge_s, lambda: purge_channels(purge, clock))


async def _pool(context: ServiceContext[MessageSettings], database: Database, size: int) -> ConnectionPool:
    pool = ConnectionPool(database, size)
    await pool.open()
    context.on_stop(pool.close)
    return pool


def main() -> None:
    """Run until SIGTERM."""
    run_service("message", load(MessageSettings, os.environ), build)


if __name__ == "__main__":
    main()
