"""Servers: made, read, listed, changed, deleted."""

from datetime import timedelta

import pytest

from apps.server.domain.members import SERVERS_MAX
from shared.contracts import errors
from shared.contracts import server as ops
from shared.contracts.fields import ChannelType, Role
from tests.unit.server.world import NEVER, World, refused


async def test_a_new_server_has_a_channel_a_code_and_an_admin(world: World) -> None:
    ada = world.person()
    server = await world.call(
        ops.CREATE_SERVER, profile_id=ada, name="  Engine ", image_url="https://example.org/e.png"
    )
    assert (server.name, server.image_url, server.profile_id) == ("Engine", "https://example.org/e.png", ada)
    assert server.created_at == server.updated_at == world.clock.now()
    (general,) = server.channels
    assert (general.name, general.type, general.server_id) == ("general", ChannelType.TEXT, server.id)
    assert general.profile_id == ada
    assert await world.get(server) == server
    assert await world.role_of(server, ada) is Role.ADMIN
    preview = await world.call(ops.INVITE_GET, code=server.invite_code, profile_id=world.person())
    assert preview.server_id == server.id


async def test_creating_publishes_three_facts(world: World) -> None:
    server = await world.server(name="Engine")
    created, channel, joined = await world.events()
    assert [event.key for event in (created, channel, joined)] == [server.id] * 3
    assert [event.revision for event in (created, channel, joined)] == [1, 2, 3]
    assert created.type == "server.created"
    assert created.data == {"id": str(server.id), "name": "Engine", "profileId": str(server.profile_id)}
    assert channel.type == "channel.created"
    assert (channel.data["id"], channel.data["name"]) == (str(server.channels[0].id), "general")
    assert joined.type == "member.joined"
    assert joined.data == {
        "serverId": str(server.id),
        "profileId": str(server.profile_id),
        "role": "ADMIN",
        "joinedAt": "2026-05-01T12:00:00Z",
    }


async def test_a_person_is_in_100_servers_at_most(world: World) -> None:
    ada = world.person()
    servers = [await world.server(ada) for _ in range(SERVERS_MAX)]
    count = len(await world.events())
    with refused(errors.SERVER_LIMIT):
        await world.server(ada)
    other = await world.server()
    with refused(errors.SERVER_LIMIT):
        await world.join(other, person=ada)
    assert len(await world.events_since(count)) == 3  # those of the other server alone
    await world.call(ops.INVITE_ACCEPT, code=servers[5].invite_code, profile_id=ada)  # in it already
    await world.call(ops.DELETE_SERVER, server_id=servers[0].id, profile_id=ada)
    await world.join(other, person=ada)


async def test_my_servers_are_listed_by_when_i_joined(world: World) -> None:
    ada, bob = world.person(), world.person()
    first = await world.server(bob, "first")
    await world.join(first, person=ada)
    mine = [first]
    for number in range(4):
        world.clock.move(seconds=number % 2)  # two at the same moment
        mine.append(await world.server(ada, f"s{number}"))
    await world.server(bob, "not mine")
    await world.call(  # rows that were written last are not those that joined last
        ops.MEMBER_UPDATE, server_id=first.id, profile_id=bob, member_id=ada, role="MODERATOR"
    )
    pages = await world.pages(ops.LIST_SERVERS, profile_id=ada, limit=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [server for page in pages for server in page] == mine
    whole = await world.call(ops.LIST_SERVERS, profile_id=ada)
    assert (whole.items, whole.next) == (mine, None)


async def test_nobody_in_particular_is_in_no_server(world: World) -> None:
    await world.server()
    assert await world.call(ops.LIST_SERVERS, profile_id=world.person()) == ops.Servers(items=[], next=None)


async def test_a_page_of_servers_ends_where_it_would_grow_too_large(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.server.usecases.list_servers.LISTED_CHANNELS_MAX", 4)
    ada = world.person()
    for channels in (3, 1, 1, 6, 2):
        server = await world.server(ada)
        world.clock.move(seconds=1)
        for _ in range(channels - 1):
            await world.channel(server)
    pages = await world.pages(ops.LIST_SERVERS, profile_id=ada, limit=100)
    assert [[len(server.channels) for server in page] for page in pages] == [[3, 1], [1], [6], [2]]


async def test_update_changes_what_is_named(world: World) -> None:
    server = await world.call(
        ops.CREATE_SERVER, profile_id=world.person(), name="Old", image_url="https://example.org/a.png"
    )
    count = len(await world.events())
    world.clock.move(minutes=1)
    who = {"server_id": server.id, "profile_id": server.profile_id}
    renamed = await world.call(ops.UPDATE_SERVER, **who, name=" New ")
    assert (renamed.name, renamed.image_url) == ("New", "https://example.org/a.png")
    assert renamed.updated_at == server.updated_at + timedelta(minutes=1)
    assert renamed.channels == server.channels
    bare = await world.call(ops.UPDATE_SERVER, **who, image_url=None)
    assert (bare.name, bare.image_url) == ("New", None)
    assert await world.get(server) == bare
    first, second = await world.events_since(count)
    assert (first.type, first.key, first.revision) == ("server.updated", server.id, 4)
    assert first.data == {"id": str(server.id), "name": "New", "profileId": str(server.profile_id)}
    assert (second.type, second.key, second.revision) == ("server.updated", server.id, 5)


@pytest.mark.parametrize("change", [{}, {"name": " Home "}, {"image_url": None}])
async def test_what_changes_nothing_publishes_nothing(world: World, change: dict[str, str]) -> None:
    server = await world.server()
    world.clock.move(minutes=1)
    same = await world.call(ops.UPDATE_SERVER, server_id=server.id, profile_id=server.profile_id, **change)
    assert same == server
    assert len(await world.events()) == 3


async def test_a_deleted_server_is_gone_at_once(world: World) -> None:
    server = await world.server()
    invite = await world.invite(server)
    guest = await world.join(server)
    count = len(await world.events())
    who = {"server_id": server.id, "profile_id": server.profile_id}
    await world.call(ops.DELETE_SERVER, **who)
    (event,) = await world.events_since(count)
    assert (event.type, event.key, event.revision) == ("server.deleted", server.id, 5)
    assert event.data == {"id": str(server.id)}
    for operation in (ops.GET_SERVER, ops.DELETE_SERVER, ops.CHANNEL_LIST, ops.MEMBER_LIST, ops.INVITE_LIST):
        with refused(errors.SERVER_NOT_FOUND):
            await world.call(operation, **who)
    channel_id = server.channels[0].id
    for operation in (ops.CHANNEL_GET, ops.CHANNEL_ACCESS, ops.CHANNEL_UPDATE, ops.CHANNEL_DELETE):
        with refused(errors.CHANNEL_NOT_FOUND):
            await world.call(operation, channel_id=channel_id, profile_id=server.profile_id)
    for code in (server.invite_code, invite.code):
        for operation in (ops.INVITE_GET, ops.INVITE_ACCEPT, ops.INVITE_REVOKE):
            with refused(errors.INVITE_NOT_FOUND):
                await world.call(operation, code=code, profile_id=server.profile_id)
    assert (await world.call(ops.LIST_SERVERS, profile_id=guest)).items == []
    assert not (await world.call(ops.SERVER_EXISTS, server_id=server.id, profile_id=guest)).exists
    assert len(await world.events_since(count)) == 1


async def test_anyone_may_ask_whether_a_server_exists(world: World) -> None:
    server = await world.server()
    stranger = world.person()
    assert (await world.call(ops.SERVER_EXISTS, server_id=server.id, profile_id=stranger)).exists
    assert not (await world.call(ops.SERVER_EXISTS, server_id=NEVER, profile_id=stranger)).exists


async def test_the_owner_can_not_leave(world: World) -> None:
    server = await world.server()
    with refused(errors.OWNER_CANNOT_LEAVE):
        await world.call(ops.LEAVE_SERVER, server_id=server.id, profile_id=server.profile_id)
    assert len(await world.events()) == 3


@pytest.mark.parametrize("role", Role)
async def test_everyone_else_can_leave(world: World, role: Role) -> None:
    server = await world.server()
    person = await world.join(server, role)
    count = len(await world.events())
    await world.call(ops.LEAVE_SERVER, server_id=server.id, profile_id=person)
    (event,) = await world.events_since(count)
    assert (event.type, event.key, event.revision) == ("member.left", server.id, count + 1)
    assert event.data == {"serverId": str(server.id), "profileId": str(person), "reason": "LEFT"}
    assert await world.role_of(server, person) is None
    with refused(errors.SERVER_NOT_FOUND):
        await world.call(ops.LEAVE_SERVER, server_id=server.id, profile_id=person)
