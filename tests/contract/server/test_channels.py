"""Channels: made, read, listed, renamed, deleted; and what the message service asks."""

from uuid import UUID

from apps.server.domain.channels import CHANNELS_MAX
from apps.server.ports import UnitOfWork
from shared.contracts import errors
from shared.contracts import server as ops
from shared.contracts.fields import ChannelType, Role
from tests.unit.server.world import NEVER, World, refused


async def fill(unit: UnitOfWork, server_id: UUID, wanted: int, world: World) -> None:
    """Give a server this many channels without asking for each."""
    server = await unit.servers.lock(server_id)
    assert server is not None
    now = world.clock.now()
    for number in range(server.channel_count, wanted):
        await unit.channels.add(
            ops.Channel(
                id=world.ids.new(),
                name=f"c{number}",
                type=ChannelType.TEXT,
                server_id=server_id,
                profile_id=server.profile_id,
                created_at=now,
                updated_at=now,
            )
        )
    server.channel_count = wanted
    await unit.servers.save(server)


async def test_a_new_channel(world: World) -> None:
    server = await world.server()
    moderator = await world.join(server, Role.MODERATOR)
    count = len(await world.events())
    world.clock.move(seconds=1)
    channel = await world.call(
        ops.CHANNEL_CREATE, server_id=server.id, profile_id=moderator, name=" tea  room ", type="AUDIO"
    )
    assert (channel.name, channel.type, channel.server_id) == ("tea  room", ChannelType.AUDIO, server.id)
    assert (channel.profile_id, channel.created_at) == (moderator, world.clock.now())
    assert await world.call(ops.CHANNEL_GET, channel_id=channel.id, profile_id=moderator) == channel
    assert (await world.get(server)).channels == [*server.channels, channel]
    (event,) = await world.events_since(count)
    assert (event.type, event.key, event.revision) == ("channel.created", server.id, count + 1)
    assert event.data == {
        "id": str(channel.id),
        "name": "tea  room",
        "type": "AUDIO",
        "serverId": str(server.id),
        "profileId": str(moderator),
        "createdAt": "2026-05-01T12:00:01Z",
        "updatedAt": "2026-05-01T12:00:01Z",
    }


async def test_a_server_has_500_channels_at_most(world: World) -> None:
    server = await world.server()
    async with world.units.transaction() as unit:
        await fill(unit, server.id, CHANNELS_MAX - 1, world)
    last = await world.channel(server)
    count = len(await world.events())
    with refused(errors.CHANNEL_LIMIT):
        await world.channel(server)
    assert len(await world.events()) == count
    assert len((await world.get(server)).channels) == CHANNELS_MAX
    await world.call(ops.CHANNEL_DELETE, channel_id=last.id, profile_id=server.profile_id)
    await world.channel(server)


async def test_channels_are_listed_oldest_first(world: World) -> None:
    server = await world.server()
    channels = list(server.channels)
    for number in range(4):
        world.clock.move(seconds=number // 2)
        channels.append(await world.channel(server, f"c{number}"))
    await world.channel(await world.server(), "elsewhere")
    channels[1] = await world.call(  # rows that were written last are not those that were made last
        ops.CHANNEL_UPDATE, channel_id=channels[1].id, profile_id=server.profile_id, name="renamed"
    )
    who = {"server_id": server.id, "profile_id": server.profile_id}
    pages = await world.pages(ops.CHANNEL_LIST, limit=2, **who)
    assert [channel for page in pages for channel in page] == channels
    assert [len(page) for page in pages] == [2, 2, 1]
    assert (await world.get(server)).channels == channels


async def test_a_cursor_belongs_to_one_list_of_one_server(world: World) -> None:
    server, other = await world.server(), await world.server()
    for one in (server, other):
        await world.channel(one)
    who = {"server_id": server.id, "profile_id": server.profile_id}
    cursor = (await world.call(ops.CHANNEL_LIST, limit=1, **who)).next
    assert cursor
    wrong = {"server_id": other.id, "profile_id": other.profile_id}
    for operation, values in ((ops.CHANNEL_LIST, wrong), (ops.MEMBER_LIST, who), (ops.INVITE_LIST, who)):
        with refused(errors.VALIDATION_FAILED, match="cursor"):
            await world.call(operation, cursor=cursor, **values)
    with refused(errors.VALIDATION_FAILED, match="cursor"):
        await world.call(ops.LIST_SERVERS, profile_id=server.profile_id, cursor="garbage")


async def test_rename(world: World) -> None:
    server = await world.server()
    (general,) = server.channels
    world.clock.move(seconds=5)
    channel = await world.call(
        ops.CHANNEL_UPDATE, channel_id=general.id, profile_id=server.profile_id, name=" lobby "
    )
    assert (channel.name, channel.created_at) == ("lobby", general.created_at)
    assert channel.updated_at == world.clock.now()
    assert (await world.get(server)).channels == [channel]
    (event,) = await world.events_since(3)
    assert (event.type, event.key, event.revision) == ("channel.updated", server.id, 4)
    assert (event.data["id"], event.data["name"]) == (str(general.id), "lobby")


async def test_a_rename_to_nothing_new_publishes_nothing(world: World) -> None:
    server = await world.server()
    (general,) = server.channels
    who = {"channel_id": general.id, "profile_id": server.profile_id}
    assert await world.call(ops.CHANNEL_UPDATE, **who) == general
    assert await world.call(ops.CHANNEL_UPDATE, **who, name=" general ") == general
    assert len(await world.events()) == 3


async def test_a_deleted_channel_is_gone_at_once(world: World) -> None:
    server = await world.server()
    channel = await world.channel(server)
    who = {"channel_id": channel.id, "profile_id": server.profile_id}
    await world.call(ops.CHANNEL_DELETE, **who)
    (event,) = await world.events_since(4)
    assert (event.type, event.key, event.revision) == ("channel.deleted", server.id, 5)
    assert event.data == {"id": str(channel.id), "serverId": str(server.id)}
    for operation in (ops.CHANNEL_GET, ops.CHANNEL_UPDATE, ops.CHANNEL_DELETE, ops.CHANNEL_ACCESS):
        with refused(errors.CHANNEL_NOT_FOUND):
            await world.call(operation, **who)
    assert (await world.get(server)).channels == server.channels
    assert len(await world.events()) == 5


async def test_access_tells_role_type_and_revision(world: World) -> None:
    server = await world.server()
    audio = await world.channel(server, channel_type="AUDIO")
    guest = await world.join(server)
    access = await world.call(ops.CHANNEL_ACCESS, channel_id=audio.id, profile_id=guest)
    assert access == ops.ChannelAccess(
        channel_id=audio.id, server_id=server.id, type=ChannelType.AUDIO, role=Role.GUEST, revision=5
    )
    stranger = await world.call(ops.CHANNEL_ACCESS, channel_id=audio.id, profile_id=world.person())
    assert (stranger.role, stranger.revision) == (None, 5)
    with refused(errors.CHANNEL_NOT_FOUND):
        await world.call(ops.CHANNEL_ACCESS, channel_id=NEVER, profile_id=guest)


async def test_the_revision_of_access_is_that_of_the_last_event(world: World) -> None:
    server = await world.server()
    (general,) = server.channels
    person = await world.join(server, Role.MODERATOR)
    await world.call(ops.MEMBER_REMOVE, server_id=server.id, profile_id=server.profile_id, member_id=person)
    access = await world.call(ops.CHANNEL_ACCESS, channel_id=general.id, profile_id=person)
    assert access.revision == (await world.events())[-1].revision == len(await world.events())
