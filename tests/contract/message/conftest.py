"""The world on a real Postgres."""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from sqlalchemy import text

from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.history import SqlHistory
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.purge import SqlPurge
from apps.message.outbound.send_batch import SqlSending
from apps.message.outbound.unit_of_work import sql_unit_of_work_factory
from shared.contracts.event import Event
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.database.database import Database
from shared.membership.adapters.projection import SqlMembershipStore
from tests.unit.message.world import Happened, Outside, World

MakeWorld = Callable[[], Awaitable[World]]


@pytest.fixture
def contents() -> ContentEncryption:
    """Contents as they are; tests of encrypted ones have their own."""
    return ContentEncryption()


@pytest.fixture
async def make_world(database: Database, contents: ContentEncryption) -> AsyncIterator[MakeWorld]:
    """Makes services over one database, each with its own connections, as several replicas would be."""
    pools: list[ConnectionPool] = []
    worlds: list[World] = []

    async def make() -> World:
        pool = ConnectionPool(database, 8)
        await pool.open()
        pools.append(pool)
        worlds.append(World(outside_of(database, pool, contents)))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.queue.close()
    for pool in pools:
        await pool.close()


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """The same world as in memory."""
    return await make_world()


def outside_of(database: Database, pool: ConnectionPool, contents: ContentEncryption) -> Outside:
    """The real adapters."""
    clock, ids = SystemClock(), SystemIds()
    return Outside(
        SqlSending(pool, clock, ids, contents),
        SqlHistory(pool, contents),
        sql_unit_of_work_factory(database, clock, ids, contents),
        SqlMembershipStore(database),
        SqlPurge(database),
        outbox_of(database),
    )


def outbox_of(database: Database) -> Callable[[], Awaitable[list[Happened]]]:
    """The outbox, in the order in which it will be sent."""

    async def events() -> list[Happened]:
        async with database.snapshot() as session:
            rows = (await session.execute(text("SELECT * FROM outbox ORDER BY id"))).all()
        told = [(row, msgspec.json.decode(row.body, type=Event)) for row in rows]
        assert all((event.id, event.type) == (row.event_id, row.type) for row, event in told)
        return [
            Happened(event.type, row.key, event.revision, msgspec.json.decode(event.data))
            for row, event in told
        ]

    return events
