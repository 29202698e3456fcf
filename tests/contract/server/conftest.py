"""The world on a real Postgres."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy import text

from apps.server.outbound.desk import SqlDesk
from apps.server.outbound.unit_of_work import sql_unit_of_work_factory
from apps.server.ports import Accounts
from shared.contracts.clock import Clock
from shared.contracts.event import Event
from shared.kit.clock import SystemIds
from shared.kit.database.database import Database
from shared.kit.rpc.client import RpcClient
from shared.kit.wire.call import Call
from tests.fakes.server.profiles import MemoryAccounts
from tests.unit.server.world import FakeClock, Happened, World


class DeskOfTests(SqlDesk):
    """The real one, with a stand-in for the auth service."""

    def __init__(self, database: Database, clock: Clock, auth: Accounts) -> None:
        super().__init__(sql_unit_of_work_factory(database, clock, SystemIds()), cast(RpcClient, None))
        self._auth = auth

    def accounts(self, call: Call) -> Accounts:
        return self._auth


@pytest.fixture
def world(database: Database) -> World:
    """The same world as in memory."""
    auth, clock = MemoryAccounts(), FakeClock()
    return World(DeskOfTests(database, clock, auth), auth, outbox_of(database), clock)


def outbox_of(database: Database) -> Callable[[], Awaitable[list[Happened]]]:
    """The outbox, in the order in which it will be sent."""

    async def events() -> list[Happened]:
        async with database.snapshot() as session:
            rows = (await session.execute(text("SELECT * FROM outbox ORDER BY id"))).all()
        return [_happened(row) for row in rows]

    return events


def _happened(row: Any) -> Happened:
    event = msgspec.json.decode(row.body, type=Event)
    assert (event.id, event.type) == (row.event_id, row.type)
    return Happened(event.type, row.key, event.revision, msgspec.json.decode(event.data))
