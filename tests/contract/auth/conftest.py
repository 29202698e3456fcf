"""The world of contract tests: over the fakes, and over Postgres."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from sqlalchemy import text

from apps.auth.outbound.accounts import SqlProfileReader
from apps.auth.outbound.keys import stored_sealing_keys, stored_signing_keys
from apps.auth.outbound.retention import SqlExpiredRows
from apps.auth.outbound.unit_of_work import sql_unit_of_work_factory
from shared.contracts.event import Event
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.database.database import Database
from tests.unit.auth.world import PublishedEvent, World, new_memory_world


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    """Run the test on the fakes and on Postgres; each is set up only where it is used."""
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world


@pytest.fixture
async def memory_world() -> World:
    """Return a world over the fakes."""
    return await new_memory_world().begin()


@pytest.fixture
async def postgres_world(database: Database) -> World:
    """Return a world over a real Postgres."""
    units = sql_unit_of_work_factory(database, SystemClock(), SystemIds())
    return await World(
        units,
        outbox_of(database),
        stored_signing_keys(database),
        stored_sealing_keys(database),
        reader=SqlProfileReader(database),
        expired_rows=SqlExpiredRows(database),
    ).begin()


def outbox_of(database: Database) -> Callable[[], Awaitable[list[PublishedEvent]]]:
    """Return a reader of the outbox, in the order in which it is sent."""

    async def published() -> list[PublishedEvent]:
        async with database.snapshot() as session:
            rows = (await session.execute(text("SELECT * FROM outbox ORDER BY id"))).all()
        events = [(row.key, msgspec.json.decode(row.body, type=Event)) for row in rows]
        return [
            PublishedEvent(event.type, key, event.revision, msgspec.json.decode(event.data))
            for key, event in events
        ]

    return published
