"""The database itself refuses what the rules forbid, should a rule ever be forgotten."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from shared.contracts import server as ops
from tests.contract.server.test_channels import fill
from tests.unit.server.world import NEVER, World


@pytest.fixture
def world(postgres_world: World) -> World:
    """Run on Postgres only."""
    return postgres_world


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "n" * 101}, {"channel_count": -1}, {"member_count": -1}]
)
async def test_a_server_that_can_not_be(world: World, wrong: dict[str, Any]) -> None:
    server = await world.server()
    with pytest.raises(IntegrityError):
        async with world.units.transaction() as unit:
            record = await unit.servers.lock(server.id)
            assert record is not None
            await unit.servers.save(replace(record, **wrong))


async def test_two_servers_never_share_a_code(world: World) -> None:
    one, other = await world.server(), await world.server()
    with pytest.raises(IntegrityError):
        async with world.units.transaction() as unit:
            record = await unit.servers.lock(one.id)
            assert record is not None
            await unit.servers.save(replace(record, invite_code=other.invite_code))


async def test_an_invite_is_never_used_more_often_than_it_may(world: World) -> None:
    invite = await world.invite(await world.server(), max_uses=1)
    with pytest.raises(IntegrityError):
        async with world.units.transaction() as unit:
            record = await unit.invites.lock(invite.code)
            assert record is not None
            await unit.invites.save(replace(record, uses=2))


async def test_nothing_stands_outside_of_a_server(world: World) -> None:
    server = await world.server()
    async with world.units.snapshot() as unit:
        member = await unit.members.get(server.id, server.profile_id)
        channel = await unit.channels.get(server.channels[0].id)
    assert member is not None and channel is not None
    with pytest.raises(IntegrityError):
        async with world.units.transaction() as unit:
            await unit.members.add(replace(member, server_id=NEVER))
    channel.id, channel.server_id = NEVER, NEVER
    with pytest.raises(IntegrityError):
        async with world.units.transaction() as unit:
            await unit.channels.add(channel)


async def test_what_failed_in_the_middle_leaves_no_trace(world: World) -> None:
    server = await world.server()
    with pytest.raises(RuntimeError):
        async with world.units.transaction() as unit:
            await fill(unit, server.id, 5, world)
            raise RuntimeError
    assert await world.get(server) == server
    channels = await world.call(ops.CHANNEL_LIST, server_id=server.id, profile_id=server.profile_id)
    assert len(channels.items) == 1
