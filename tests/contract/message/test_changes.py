"""Reading, editing and deleting one message."""

from uuid import uuid4

import pytest
from msgspec.structs import replace

from shared.contracts.fields import Role
from shared.contracts.message import Message
from tests.unit.message.world import IDS, World, now_of, refused


def unknown(message: Message) -> Message:
    """Return a message of that channel that does not exist."""
    return replace(message, id=uuid4())


async def test_its_author_edits_a_message(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada, "first", nonce="n")
    before = now_of(world)
    edited = await world.edit(message, ada, "  second ")
    assert edited.content == "second"
    assert edited.edited_at is not None
    assert before <= edited.edited_at <= now_of(world)
    assert replace(edited, content="first", edited_at=None) == message
    assert await world.get(message, ada) == edited
    assert (await world.history(channel, ada)).items == [edited]


async def test_an_edit_is_published_with_the_next_revision(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada)
    await world.edit(message, ada, "edited")
    await world.send(channel, ada)
    published = await world.events()
    assert [(event.type, event.revision) for event in published] == [
        ("message.created", 1),
        ("message.updated", 2),
        ("message.created", 3),
    ]
    assert (published[1].key, published[1].data["content"]) == (world.server.id, "edited")


async def test_the_same_content_changes_nothing(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada, "same")
    assert await world.edit(message, ada, " same ") == message
    assert len(await world.events()) == 1


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_else_edits_it(world: World, role: Role) -> None:
    channel, ada, other = await world.channel(), await world.member(), await world.member(role)
    message = await world.send(channel, ada)
    assert await refused(world.edit(message, other, "x")) == "permission.denied"
    assert await world.get(message, ada) == message


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MODERATOR])
async def test_an_admin_or_moderator_deletes_it(world: World, role: Role) -> None:
    channel, ada, other = await world.channel(), await world.member(), await world.member(role)
    message = await world.send(channel, ada)
    await world.delete(message, other)
    assert await refused(world.get(message, ada)) == "message.not_found"
    assert world.server.calls == 0


async def test_a_guest_deletes_only_their_own(world: World) -> None:
    channel, ada, bob = await world.channel(), await world.member(), await world.member()
    message = await world.send(channel, ada)
    assert await refused(world.delete(message, bob)) == "permission.denied"
    assert await world.get(message, ada) == message
    await world.delete(message, ada)
    assert (await world.history(channel, ada)).items == []


async def test_a_new_moderator_may_delete_at_once(world: World) -> None:
    channel, ada, bob = await world.channel(), await world.member(), await world.member()
    message = await world.send(channel, ada)
    world.server.promote(bob, Role.MODERATOR)
    await world.delete(message, bob)
    assert await refused(world.get(message, ada)) == "message.not_found"


async def test_a_deletion_is_published_without_the_content(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada)
    await world.delete(message, ada)
    published = (await world.events())[-1]
    assert (published.type, published.key, published.revision) == ("message.deleted", world.server.id, 2)
    assert published.data == {
        "id": str(message.id),
        "channelId": str(channel),
        "serverId": str(world.server.id),
        "sequence": 1,
    }


async def test_the_number_of_a_deleted_message_is_not_used_again(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    await world.delete(await world.send(channel, ada), ada)
    assert (await world.send(channel, ada)).sequence == 2


async def test_a_deleted_message_is_not_found(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada)
    await world.delete(message, ada)
    for again in (world.get(message, ada), world.edit(message, ada, "x"), world.delete(message, ada)):
        assert await refused(again) == "message.not_found"
    assert len(await world.events()) == 2


async def test_a_deletion_delivered_twice_is_answered_the_same_twice(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada)
    await world.delete(message, ada, call_id="the call")
    await world.delete(message, ada, call_id="the call")
    assert await refused(world.delete(message, ada, call_id="another")) == "message.not_found"
    assert len(await world.events()) == 2


async def test_an_unknown_message_is_not_found(world: World) -> None:
    channel, other, ada = await world.channel(), await world.channel(), await world.member()
    message = await world.send(channel, ada)
    for nothing in (unknown(message), replace(message, channel_id=other)):
        assert await refused(world.get(nothing, ada)) == "message.not_found"
        assert await refused(world.edit(nothing, ada, "x")) == "message.not_found"
        assert await refused(world.delete(nothing, ada)) == "message.not_found"


async def test_a_former_member_may_not_change_their_messages(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada)
    await world.on_server_event(world.server.kick(ada))
    assert await refused(world.edit(message, ada, "x")) == "channel.not_found"
    assert await refused(world.delete(message, ada)) == "channel.not_found"
    assert await refused(world.get(message, ada)) == "channel.not_found"
    world.server.join(ada)
    assert await world.get(message, ada) == message


async def test_a_non_member_does_not_see_it(world: World) -> None:
    channel, ada, eve = await world.channel(), await world.member(), IDS.new()
    message = await world.send(channel, ada)
    assert await refused(world.get(message, eve)) == "channel.not_found"
    assert await refused(world.edit(message, eve, "x")) == "channel.not_found"
    assert await refused(world.delete(message, eve)) == "channel.not_found"


async def test_a_new_member_reads_at_once(world: World) -> None:
    channel, ada, bob = await world.channel(), await world.member(), IDS.new()
    message = await world.send(channel, ada)
    world.server.join(bob)
    assert await world.get(message, bob) == message
    assert world.server.calls == 1
