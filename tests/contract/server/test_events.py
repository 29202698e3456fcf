"""The events of a server have gapless revisions and describe every change."""

from typing import Any

from shared.contracts import server as ops
from shared.contracts.fields import Role
from tests.unit.server.world import World


async def eventful(world: World) -> ops.Server:
    server = await world.server()
    moderator = await world.join(server, Role.MODERATOR)
    guest = await world.join(server)
    who = {"server_id": server.id, "profile_id": server.profile_id}
    channel = await world.channel(server)
    await world.call(ops.CHANNEL_UPDATE, channel_id=channel.id, profile_id=moderator, name="other")
    await world.call(ops.UPDATE_SERVER, **who, name="Renamed")
    await world.call(ops.MEMBER_REMOVE, **who, member_id=guest)
    await world.call(ops.INVITE_REGENERATE, **who)
    await world.channel(server, "second")
    await world.call(ops.CHANNEL_DELETE, channel_id=channel.id, profile_id=moderator)
    await world.call(ops.LEAVE_SERVER, server_id=server.id, profile_id=moderator)
    await world.join(await world.get(server), person=guest)
    return server


async def test_revisions_count_on_by_one(world: World) -> None:
    server, other = await eventful(world), await world.server()
    events = await world.events()
    assert [event.revision for event in events if event.key == server.id] == list(range(1, 16))
    assert [event.revision for event in events if event.key == other.id] == [1, 2, 3]
    assert [event.type for event in events if event.key == server.id] == [
        "server.created",
        "channel.created",
        "member.joined",
        "member.joined",
        "member.updated",
        "member.joined",
        "channel.created",
        "channel.updated",
        "server.updated",
        "member.left",
        "server.updated",
        "channel.created",
        "channel.deleted",
        "member.left",
        "member.joined",
    ]


async def test_who_follows_the_events_knows_what_is(world: World) -> None:
    server = await eventful(world)
    channels: dict[str, Any] = {}
    members: dict[str, Any] = {}
    name = ""
    for event in await world.events():
        match event.type:
            case "server.created" | "server.updated":
                name = event.data["name"]
            case "channel.created" | "channel.updated":
                channels[event.data["id"]] = event.data["name"]
            case "channel.deleted":
                del channels[event.data["id"]]
            case "member.joined" | "member.updated":
                members[event.data["profileId"]] = event.data["role"]
            case "member.left":
                del members[event.data["profileId"]]
    now = await world.get(server)
    assert name == now.name
    assert channels == {str(channel.id): channel.name for channel in now.channels}
    who = {"server_id": server.id, "profile_id": server.profile_id}
    listed = (await world.call(ops.MEMBER_LIST, **who)).items
    assert members == {str(member.profile_id): member.role for member in listed}
    preview = await world.call(ops.INVITE_GET, code=now.invite_code, profile_id=server.profile_id)
    assert preview.member_count == len(members)
