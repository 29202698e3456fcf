"""The world on a real Postgres."""

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
from tests.unit.auth.world import Told, World


@pytest.fixture
async def world(database: Database) -> World:
    """The same world as in memory."""
    units = sql_unit_of_work_factory(database, SystemClock(), SystemIds())
    return await World(
        units,
        outbox_of(database),
        stored_signing_keys(database),
        stored_sealing_keys(database),
        reader=SqlProfileReader(database),
        attic=SqlExpiredRows(database),
    ).begin()


def outbox_of(database: Database) -> Callable[[], Awaitable[list[Told]]]:
    """The outbox, in the order in which it will be sent."""

    async def told() -> list[Told]:
        async with database.snapshot() as session:
            rows = (await session.execute(text("SELECT * FROM outbox ORDER BY id"))).all()
        events = [(row.key, msgspec.json.decode(row.body, type=Event)) for row in rows]
        return [
            Told(event.type, key, event.revision, msgspec.json.decode(event.data)) for key, event in events
        ]

    return told
