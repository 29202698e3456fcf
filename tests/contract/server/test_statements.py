"""Reads take a fixed number of statements; each list and sweep uses an index."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from apps.server.usecases.clean_up import purge_deleted, sweep_invites
from shared.contracts import server as ops
from shared.kit.database.database import Database
from tests.support.statements import recorded
from tests.unit.server.world import World


@pytest.fixture
def world(postgres_world: World) -> World:
    """Run on Postgres only."""
    return postgres_world


@pytest.mark.parametrize(
    ("operation", "most"),
    [
        (ops.GET_SERVER, 2),
        (ops.LIST_SERVERS, 2),
        (ops.CHANNEL_ACCESS, 1),
        (ops.CHANNEL_GET, 1),
        (ops.CHANNEL_LIST, 2),
        (ops.SERVER_EXISTS, 1),
    ],
    ids=lambda value: getattr(value, "name", value),
)
async def test_reads_are_short(world: World, database: Database, operation: ops.Operation, most: int) -> None:
    server = await world.server()
    for _ in range(3):
        await world.channel(server)
        await world.server(server.profile_id)
    fields = operation.request.__struct_fields__
    offered = {"server_id": server.id, "channel_id": server.channels[0].id}
    values = {name: value for name, value in offered.items() if name in fields}
    with recorded(database) as statements:
        await world.call(operation, profile_id=server.profile_id, **values)
    assert len(statements) == most


def listing(operation: ops.Operation) -> Callable[[World, ops.Server], Awaitable[Any]]:
    async def run(world: World, server: ops.Server) -> None:
        who: dict[str, Any] = {"profile_id": server.profile_id}
        if operation is not ops.LIST_SERVERS:
            who["server_id"] = server.id
        await world.pages(operation, limit=1, **who)

    return run


async def sweep(world: World, server: ops.Server) -> None:
    await sweep_invites(world.units, world.clock)


async def purge(world: World, server: ops.Server) -> None:
    await world.call(ops.DELETE_SERVER, server_id=server.id, profile_id=server.profile_id)
    await purge_deleted(world.units)


@pytest.mark.parametrize(
    ("run", "index"),
    [
        (listing(ops.LIST_SERVERS), "members_of_profile"),
        (listing(ops.CHANNEL_LIST), "channels_of_server"),
        (listing(ops.MEMBER_LIST), "members_of_server"),
        (listing(ops.INVITE_LIST), "invites_of_server"),
        (sweep, "invites_expired"),
        (sweep, "invites_used_up"),
        (purge, "servers_deleted_at"),
    ],
)
async def test_an_index_gives_the_rows_and_their_order(
    world: World, database: Database, run: Callable[[World, ops.Server], Awaitable[Any]], index: str
) -> None:
    server = await world.server()
    await world.server(server.profile_id)
    for _ in range(2):
        await world.join(server)
        await world.channel(server)
        await world.invite(server)
    with recorded(database) as statements:
        await run(world, server)
    avoided = ["seqscan", "hashjoin", "mergejoin"]
    if run is not sweep:  # it combines two indexes, without an order
        avoided.append("bitmapscan")
    plans = [await plan_of(database, avoided, *one) for one in statements if "SELECT" in one[0]]
    using = [plan for plan in plans if index in plan]
    assert using, plans
    assert not [plan for plan in using if "Sort" in plan], using


async def plan_of(database: Database, avoided: list[str], statement: str, parameters: Any) -> str:
    """Return the plan without these methods, as Postgres would choose it for many rows."""
    async with database.transaction() as session:
        for method in avoided:
            await session.execute(text(f"SET LOCAL enable_{method} = off"))
        connection = await session.connection()
        rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return "\n".join(row[0] for row in rows)
