"""Sending messages: numbers, events, repeated requests, permissions."""

import asyncio

import pytest

from shared.contracts.errors import MESH_BUSY, MESH_TIMEOUT, ServiceError
from shared.contracts.fields import ChannelType
from shared.kit.clock import now_ms
from shared.kit.wire.call import Reply
from tests.unit.message.world import IDS, World, ask, message_of, refused


async def test_a_message_is_answered_as_stored(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    reply = await world.reply(ask(channel, ada, "  hello\n", nonce="n1"))
    message = message_of(reply)
    assert reply.status == 201
    assert (message.channel_id, message.server_id, message.profile_id) == (channel, world.server.id, ada)
    assert (message.sequence, message.content, message.nonce, message.edited_at) == (1, "hello", "n1", None)
    assert await world.get(message, ada) == message
    assert (await world.history(channel, ada)).items == [message]


async def test_each_channel_is_numbered_by_itself_from_one(world: World) -> None:
    one, two, ada = await world.channel(), await world.channel(), await world.member()
    batch = [ask(one, ada), ask(two, ada), ask(one, ada), ask(one, ada), ask(two, ada)]
    outcomes = await world.send_all(batch)
    assert [message_of(outcome).sequence for outcome in outcomes] == [1, 1, 2, 3, 2]
    assert (await world.send(one, ada)).sequence == 4


async def test_each_message_is_published_once_with_the_revision_of_its_channel(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    messages = [message_of(result) for result in await world.send_all([ask(channel, ada) for _ in range(3)])]
    published = await world.events()
    assert [(event.type, event.key, event.revision) for event in published] == [
        ("message.created", world.server.id, revision) for revision in (1, 2, 3)
    ]
    assert [event.data["id"] for event in published] == [str(message.id) for message in messages]
    assert published[0].data.keys() == {
        *("id", "channelId", "serverId", "profileId", "sequence", "content", "nonce", "createdAt"),
        "editedAt",
        "attachments",
    }


async def test_a_nonce_gives_the_first_message_again(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    first = await world.send(channel, ada, "first", nonce="n")
    again = await world.reply(ask(channel, ada, "second", nonce="n"))
    assert (again.status, message_of(again)) == (200, first)
    assert len((await world.history(channel, ada)).items) == len(await world.events()) == 1


async def test_a_nonce_twice_in_one_batch_makes_one_message(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    outcomes = await world.send_all([ask(channel, ada, f"{n}", nonce="n") for n in range(3)])
    assert [outcome.status for outcome in outcomes if isinstance(outcome, Reply)] == [201, 200, 200]
    assert {message_of(outcome).id for outcome in outcomes} == {message_of(outcomes[0]).id}
    assert (await world.send(channel, ada)).sequence == 2


async def test_a_nonce_is_the_authors_own_and_the_channels_own(world: World) -> None:
    one, two = await world.channel(), await world.channel()
    ada, bob = await world.member(), await world.member()
    outcomes = await world.send_all(
        [ask(one, ada, nonce="n"), ask(one, bob, nonce="n"), ask(two, ada, nonce="n")]
    )
    assert [message_of(outcome).sequence for outcome in outcomes] == [1, 2, 1]
    assert len({message_of(outcome).id for outcome in outcomes}) == 3


async def test_an_idempotency_key_gives_the_first_message_again(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    first = await world.reply(ask(channel, ada, key="POST /x k"))
    again = await world.reply(ask(channel, ada, key="POST /x k"))
    assert (first.status, again.status) == (201, 201)
    assert message_of(first) == message_of(again)
    assert len(await world.events()) == 1


async def test_an_idempotency_key_twice_in_one_batch(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    one, two, other = await world.send_all(
        [ask(channel, ada, "a", key="k"), ask(channel, ada, "a", key="k"), ask(channel, ada, "b", key="k")]
    )
    assert message_of(one) == message_of(two)
    assert isinstance(other, ServiceError)
    assert other.code.name == "idempotency.mismatch"


async def test_an_idempotency_key_with_another_body_is_an_error(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    await world.send(channel, ada, "a", key="k")
    assert await refused(world.send(channel, ada, "b", key="k")) == "idempotency.mismatch"
    assert (await world.send(channel, ada, "b", key="other")).sequence == 2


async def test_the_same_call_delivered_twice_is_answered_the_same_twice(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    received = ask(channel, ada, nonce="n")
    first, again = await world.reply(received), await world.reply(received)
    assert (again.status, message_of(again)) == (201, message_of(first))
    assert len(await world.events()) == 1


async def test_a_repeated_request_does_not_restore_a_deleted_message(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada, nonce="n", key="k")
    await world.delete(message, ada)
    assert await refused(world.send(channel, ada, nonce="n")) == "message.not_found"
    assert await refused(world.send(channel, ada, nonce="n", key="k")) == "message.not_found"
    assert (await world.history(channel, ada)).items == []


async def test_a_known_message_is_answered_as_it_is_now(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada, nonce="n")
    edited = await world.edit(message, ada, "edited")
    assert await world.send(channel, ada, nonce="n") == edited


async def test_only_text_channels_take_messages(world: World) -> None:
    ada = await world.member()
    for channel_type in (ChannelType.AUDIO, ChannelType.VIDEO):
        channel = await world.channel(channel_type)
        assert await refused(world.send(channel, ada)) == "channel.not_text"
        assert await refused(world.history(channel, ada)) == "channel.not_text"


async def test_an_error_in_a_batch_concerns_no_other_send(world: World) -> None:
    text, audio, ada = await world.channel(), await world.channel(ChannelType.AUDIO), await world.member()
    stranger, nowhere = IDS.new(), IDS.new()
    outcomes = await world.send_all(
        [ask(text, ada), ask(audio, ada), ask(text, stranger), ask(nowhere, ada), ask(text, ada)]
    )
    codes = [outcome.code.name if isinstance(outcome, ServiceError) else "ok" for outcome in outcomes]
    assert codes == ["ok", "channel.not_text", "channel.not_found", "channel.not_found", "ok"]
    assert [message_of(outcomes[index]).sequence for index in (0, 4)] == [1, 2]


async def test_an_unknown_member_takes_one_query(world: World) -> None:
    channel, _ = world.server.add_channel()
    ada = IDS.new()
    world.server.join(ada)
    outcomes = await world.send_all([ask(channel, ada, f"{n}") for n in range(3)])
    assert [message_of(outcome).content for outcome in outcomes] == ["0", "1", "2"]
    assert [message_of(outcome).sequence for outcome in outcomes] == [1, 2, 3]
    await world.send(channel, ada)
    assert world.server.calls == 1


async def test_known_members_do_not_wait_for_unknown_ones(world: World) -> None:
    channel, ada, bob = await world.channel(), await world.member(), IDS.new()
    world.server.join(bob)
    world.server.slow = asyncio.Event()
    strangers = asyncio.create_task(world.send_all([ask(channel, bob, "1"), ask(channel, bob, "2")]))
    while not world.server.calls:
        await asyncio.sleep(0.005)
    assert (await world.send(channel, ada)).sequence == 1
    late = asyncio.create_task(world.send(channel, bob, "3"))
    await asyncio.sleep(0.02)
    world.server.slow.set()
    assert [message_of(outcome).sequence for outcome in await strangers] == [2, 3]
    assert (await late).sequence == 4


async def test_a_new_member_may_send_at_once(world: World) -> None:
    channel, bob = await world.channel(), IDS.new()
    assert await refused(world.send(channel, bob)) == "channel.not_found"
    world.server.join(bob)
    assert (await world.send(channel, bob)).sequence == 1


async def test_a_kicked_member_may_not_send(world: World) -> None:
    channel, bob = await world.channel(), await world.member()
    await world.send(channel, bob)
    await world.on_server_event(world.server.kick(bob))
    assert await refused(world.send(channel, bob)) == "channel.not_found"
    assert await refused(world.history(channel, bob)) == "channel.not_found"


async def test_a_member_who_joined_again_may_send_at_once(world: World) -> None:
    channel, bob = await world.channel(), await world.member()
    await world.on_server_event(world.server.kick(bob))
    world.server.join(bob)
    assert (await world.send(channel, bob)).sequence == 1


async def test_without_the_server_service_only_unknown_authors_wait(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    world.server.away = MESH_TIMEOUT.exception("nobody answers")
    soon = now_ms() + 40
    known, stranger = await world.send_all([ask(channel, ada), ask(channel, IDS.new(), deadline_ms=soon)])
    assert message_of(known).sequence == 1
    assert isinstance(stranger, ServiceError)
    assert stranger.code is MESH_TIMEOUT
    world.server.away = MESH_BUSY.exception("too many")
    assert await refused(world.send(channel, IDS.new())) == "mesh.busy"


async def test_a_deleted_channel_is_gone_at_once(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    message = await world.send(channel, ada)
    await world.on_server_event(world.server.delete_channel(channel))
    assert await refused(world.send(channel, ada)) == "channel.not_found"
    assert await refused(world.history(channel, ada)) == "channel.not_found"
    assert await refused(world.get(message, ada)) == "channel.not_found"
    assert await refused(world.edit(message, ada, "x")) == "channel.not_found"
    assert await refused(world.delete(message, ada)) == "channel.not_found"
    assert world.server.calls == 0


@pytest.mark.parametrize("known", [True, False])
async def test_a_deleted_server_takes_its_channels_along(world: World, known: bool) -> None:
    channel, ada = await world.channel(), await world.member()
    other, late = world.server.add_channel()
    deleted = world.server.delete()
    await world.on_server_events(*([late, deleted] if known else [deleted, late]))
    for channel_id in (channel, other):
        assert await refused(world.send(channel_id, ada)) == "channel.not_found"
        assert await refused(world.history(channel_id, ada)) == "channel.not_found"
