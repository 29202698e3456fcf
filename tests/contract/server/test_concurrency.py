"""Many at once on a real Postgres: limits and counts are exact, revisions never meet."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from shared.contracts import errors
from shared.contracts import server as ops
from shared.contracts.errors import ServiceError
from tests.contract.server.test_channels import fill
from tests.unit.server.world import World


@pytest.fixture
def world(postgres_world: World) -> World:
    """Run on Postgres only."""
    return postgres_world


async def outcomes(
    calls: Iterable[Awaitable[Any]], *, world: World | None = None, behind: ops.Server | None = None
) -> Counter[str]:
    """Count the successes and each error code.

    With `behind`, all have come as far as that server's lock before the first gets it.
    """
    async with AsyncExitStack() as gate:
        if world and behind:
            unit = await gate.enter_async_context(world.units.transaction())
            assert await unit.servers.lock(behind.id)
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.3 if behind else 0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ServiceError):
            raise result
    return Counter(result.code.name if isinstance(result, ServiceError) else "ok" for result in results)


def strictly_increasing(revisions: list[int]) -> bool:
    return revisions == list(range(1, len(revisions) + 1))


async def test_an_invite_for_one_lets_one_in(world: World) -> None:
    server = await world.server()
    invite = await world.invite(server, max_uses=1)
    people = [world.person() for _ in range(10)]
    joining = (world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=one) for one in people)
    ended = await outcomes(joining, world=world, behind=server)
    assert ended == {"ok": 1, errors.INVITE_EXPIRED.name: 9}
    who = {"server_id": server.id, "profile_id": server.profile_id}
    assert len((await world.call(ops.MEMBER_LIST, **who)).items) == 2
    preview = await world.call(ops.INVITE_GET, code=server.invite_code, profile_id=server.profile_id)
    assert preview.member_count == 2
    assert [event.type for event in await world.events()].count("member.joined") == 2


async def test_one_person_joins_once(world: World) -> None:
    server = await world.server()
    invite, bob = await world.invite(server, max_uses=5), world.person()
    ended = await outcomes(world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=bob) for _ in range(10))
    assert ended == {"ok": 10}
    listed = await world.call(ops.INVITE_LIST, server_id=server.id, profile_id=server.profile_id)
    assert listed.items[0].uses == 1
    assert [event.type for event in await world.events()].count("member.joined") == 2


async def test_the_limit_of_servers_holds_for_creating_and_joining_at_once(world: World) -> None:
    ada = world.person()
    for _ in range(95):
        await world.server(ada)
    others = [await world.server() for _ in range(6)]
    creating = (world.call(ops.CREATE_SERVER, profile_id=ada, name="more") for _ in range(6))
    joining = (world.call(ops.INVITE_ACCEPT, code=one.invite_code, profile_id=ada) for one in others)
    assert await outcomes([*creating, *joining]) == {"ok": 5, errors.SERVER_LIMIT.name: 7}
    pages = await world.pages(ops.LIST_SERVERS, profile_id=ada, limit=100)
    assert sum(len(page) for page in pages) == 100


async def test_the_limit_of_channels_holds(world: World) -> None:
    server = await world.server()
    async with world.units.transaction() as unit:
        await fill(unit, server.id, 497, world)
    creating = (world.channel(server) for _ in range(8))
    ended = await outcomes(creating, world=world, behind=server)
    assert ended == {"ok": 3, errors.CHANNEL_LIMIT.name: 5}
    assert len((await world.get(server)).channels) == 500


async def test_two_updates_of_one_server_both_count(world: World) -> None:
    server = await world.server()
    who = {"server_id": server.id, "profile_id": server.profile_id}
    changes = [{"name": "New"}, {"image_url": "https://example.org/e.png"}]
    assert await outcomes(world.call(ops.UPDATE_SERVER, **who, **change) for change in changes) == {"ok": 2}
    now = await world.get(server)
    assert (now.name, now.image_url) == ("New", "https://example.org/e.png")
    assert strictly_increasing([event.revision for event in await world.events()])


async def test_the_order_of_the_outbox_is_the_order_of_revisions(world: World) -> None:
    server = await world.server()
    guests = [await world.join(server) for _ in range(5)]
    who = {"server_id": server.id, "profile_id": server.profile_id}
    mixed = [
        *(world.channel(server, f"c{number}") for number in range(5)),
        *(world.call(ops.UPDATE_SERVER, **who, name=f"n{number}") for number in range(5)),
        *(world.call(ops.LEAVE_SERVER, server_id=server.id, profile_id=guest) for guest in guests),
        *(world.join(server) for _ in range(5)),
    ]
    assert await outcomes(mixed) == {"ok": 20}
    events = await world.events()
    assert len(events) == 3 + 5 + 20
    assert strictly_increasing([event.revision for event in events])
    access = await world.call(
        ops.CHANNEL_ACCESS, channel_id=server.channels[0].id, profile_id=server.profile_id
    )
    assert access.revision == len(events)


async def test_a_kick_and_a_promotion_at_once_leave_one_truth(world: World) -> None:
    server = await world.server()
    guest = await world.join(server)
    who = {"server_id": server.id, "profile_id": server.profile_id, "member_id": guest}
    calls = [world.call(ops.MEMBER_REMOVE, **who), world.call(ops.MEMBER_UPDATE, **who, role="ADMIN")]
    ended = await outcomes(calls, world=world, behind=server)
    assert ended["ok"] + ended[errors.MEMBER_NOT_FOUND.name] == 2
    assert await world.role_of(server, guest) is None
    assert (await world.events())[-1].type == "member.left"


async def test_a_channel_is_deleted_once(world: World) -> None:
    server = await world.server()
    channel = await world.channel(server)
    deleting = (
        world.call(ops.CHANNEL_DELETE, channel_id=channel.id, profile_id=server.profile_id) for _ in range(5)
    )
    assert await outcomes(deleting, world=world, behind=server) == {"ok": 1, errors.CHANNEL_NOT_FOUND.name: 4}
    assert [event.type for event in await world.events()].count("channel.deleted") == 1


async def test_nobody_gets_into_a_server_that_is_being_deleted(world: World) -> None:
    server = await world.server()
    who = {"server_id": server.id, "profile_id": server.profile_id}
    joining = (world.join(server) for _ in range(5))
    calls = [*joining, world.call(ops.DELETE_SERVER, **who), world.channel(server)]
    ended = await outcomes(calls, world=world, behind=server)
    assert ended["ok"] >= 1
    events = await world.events()
    assert events[-1].type == "server.deleted"
    assert strictly_increasing([event.revision for event in events])


async def test_who_waited_behind_a_revocation_does_not_get_in(world: World) -> None:
    server = await world.server()
    invite = await world.invite(server)
    people = [world.person() for _ in range(5)]
    async with world.units.transaction() as unit:
        assert await unit.servers.lock(server.id)
        revoke = world.call(ops.INVITE_REVOKE, code=invite.code, profile_id=server.profile_id)
        tasks = [asyncio.ensure_future(revoke)]
        await asyncio.sleep(0.3)  # it is the first in the queue, and all others have found the invite
        joining = (world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=one) for one in people)
        tasks += [asyncio.ensure_future(call) for call in joining]
        await asyncio.sleep(0.3)
    assert await outcomes(tasks) == {"ok": 1, errors.INVITE_NOT_FOUND.name: 5}
    assert [await world.role_of(server, one) for one in people] == [None] * 5
