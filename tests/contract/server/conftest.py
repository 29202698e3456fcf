"""The world of contract tests: over the fakes, and over Postgres."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from apps.server.outbound.unit_of_work import sql_unit_of_work_factory
from shared.contracts.event import Event
from shared.kit.clock import SystemIds
from shared.kit.database.database import Database
from tests.fakes.server.profiles import MemoryAccounts
from tests.unit.server.world import FakeClock, PublishedEvent, World, new_memory_world


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    """Run the test on the fakes and on Postgres; each is set up only where it is used."""
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world


@pytest.fixture
def memory_world() -> World:
    """Return a world over the fakes."""
    return new_memory_world()


@pytest.fixture
def postgres_world(database: Database) -> World:
    """Return a world over a real Postgres; the auth service is a fake."""
    clock = FakeClock()
    units = sql_unit_of_work_factory(database, clock, SystemIds())
    return World(units, MemoryAccounts(), outbox_of(database), clock)


def outbox_of(database: Database) -> Callable[[], Awaitable[list[PublishedEvent]]]:
    """Return a reader of the outbox, in the order in which it is sent."""

    async def events() -> list[PublishedEvent]:
        async with database.snapshot() as session:
            rows = (await session.execute(text("SELECT * FROM outbox ORDER BY id"))).all()
        return [_event(row) for row in rows]

    return events


def _event(row: Any) -> PublishedEvent:
    event = msgspec.json.decode(row.body, type=Event)
    assert (event.id, event.type) == (row.event_id, row.type)
    return PublishedEvent(event.type, row.key, event.revision, msgspec.json.decode(event.data))
