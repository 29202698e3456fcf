"""The worlds of the behaviour suites: in memory, on Postgres, and on Postgres with encrypted contents."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from sqlalchemy import text

from apps.message.outbound.content_encryption import ContentEncryption
from apps.message.outbound.history import SqlHistory
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.purge import SqlPurge
from apps.message.outbound.send_batch import SqlSendUnitOfWorkFactory
from apps.message.outbound.unit_of_work import sql_unit_of_work_factory
from shared.contracts.event import Event
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.database.database import Database
from shared.membership.adapters.projection import SqlMembershipStore
from tests.unit.message.world import Outside, PublishedEvent, World, memory

MakeWorld = Callable[..., Awaitable[World]]
CONTENT_KEY = f"old1:{b64encode(b'old1' * 8).decode()}"


@pytest.fixture(params=["memory", "postgres", "encrypted"])
def world(request: pytest.FixtureRequest) -> World:
    """Return the service over each kind of adapters."""
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world


@pytest.fixture
async def memory_world() -> AsyncIterator[World]:
    """Return the service over the twins."""
    outside, _ = memory()
    world = World(outside)
    yield world
    await world.queue.close()


@pytest.fixture
async def postgres_world(make_world: MakeWorld) -> World:
    """Return the service on Postgres, its contents stored as they are."""
    return await make_world()


@pytest.fixture
async def encrypted_world(make_world: MakeWorld) -> World:
    """Return the service on Postgres with encrypted contents."""
    return await make_world(CONTENT_KEY)


@pytest.fixture
async def make_world(database: Database) -> AsyncIterator[MakeWorld]:
    """Return a function that makes services over one database, each with a pool, as several replicas have."""
    pools: list[ConnectionPool] = []
    worlds: list[World] = []

    async def make(*content_keys: str) -> World:
        pool = ConnectionPool(database, 8)
        await pool.open()
        pools.append(pool)
        worlds.append(World(outside_of(database, pool, ContentEncryption(content_keys))))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.queue.close()
    for pool in pools:
        await pool.close()


def outside_of(database: Database, pool: ConnectionPool, contents: ContentEncryption) -> Outside:
    """Return the adapters of Postgres."""
    clock, ids = SystemClock(), SystemIds()
    return Outside(
        SqlSendUnitOfWorkFactory(pool, clock, ids, contents),
        SqlHistory(pool, contents),
        sql_unit_of_work_factory(database, clock, ids, contents),
        SqlMembershipStore(database),
        SqlPurge(database),
        lambda: outbox_of(database),
    )


async def outbox_of(database: Database) -> list[PublishedEvent]:
    """Return the events of the outbox, in the order in which they will be sent."""
    async with database.snapshot() as session:
        rows = (await session.execute(text("SELECT * FROM outbox ORDER BY id"))).all()
    events = [(row, msgspec.json.decode(row.body, type=Event)) for row in rows]
    assert all((event.id, event.type) == (row.event_id, row.type) for row, event in events)
    return [
        PublishedEvent(event.type, row.key, event.revision, msgspec.json.decode(event.data))
        for row, event in events
    ]
