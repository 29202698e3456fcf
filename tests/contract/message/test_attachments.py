"""Messages with files: permissions to attach them, and their deletion."""

from uuid import UUID

import pytest

from shared.contracts.errors import MESH_BUSY, ServiceError
from shared.contracts.message import Message
from tests.unit.message.world import IDS, World, ask


def ids_of(message: Message) -> list[UUID]:
    return [file.id for file in message.attachments]


async def test_every_read_of_a_message_shows_its_files(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    files = [world.files.add(channel, ada) for _ in range(3)]
    message = await world.send(channel, ada, attachments=tuple(files))
    assert ids_of(message) == files
    plain = await world.send(channel, ada)
    assert plain.attachments == ()
    assert (await world.history(channel, ada)).items == [plain, message]
    assert await world.get(message, ada) == message
    assert ids_of(await world.edit(message, ada, "other words")) == files
    created = [event for event in await world.events() if event.type == "message.created"]
    assert [len(event.data["attachments"]) for event in created] == [3, 0]


async def test_a_message_without_files_needs_no_file_service(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    await world.send(channel, ada)
    assert world.files.queries == []


async def test_a_batch_with_and_without_files_is_answered_in_its_order(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    file = world.files.add(channel, ada)
    batch = [ask(channel, ada, f"{n}", attachments=(file,) if n % 2 else ()) for n in range(6)]
    outcomes = await world.send_all(batch)
    assert [outcome.body.content for outcome in outcomes] == [f"{n}" for n in range(6)]  # type: ignore[union-attr]


async def test_only_own_files_of_this_channel(world: World) -> None:
    channel, other = await world.channel(), await world.channel()
    ada, ben = await world.member(), await world.member()
    for file in (world.files.add(channel, ben), world.files.add(other, ada), IDS.new()):
        with pytest.raises(ServiceError, match=r"file\.not_found"):
            await world.send(channel, ada, attachments=(file,))
    file = world.files.add(channel, ada)
    with pytest.raises(ServiceError, match=r"validation\.failed"):
        await world.send(channel, ada, attachments=(file, file))
    with pytest.raises(ServiceError, match=r"channel\.not_found"):
        await world.send(channel, IDS.new(), attachments=(file,))


async def test_without_the_file_service_nothing_is_sent(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    file = world.files.add(channel, ada)
    world.files.failure = MESH_BUSY.exception("away")
    with pytest.raises(ServiceError, match=r"mesh\.busy"):
        await world.send(channel, ada, attachments=(file,))
    assert (await world.history(channel, ada)).items == []


async def test_the_same_nonce_gives_the_first_message_although_its_file_was_deleted(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    file = world.files.add(channel, ada)
    first = await world.send(channel, ada, nonce="one", attachments=(file,))
    await world.on_file_event(world.files.delete(file, first.server_id))
    again = await world.reply(ask(channel, ada, nonce="one", attachments=(file,)))
    assert (again.status, again.body.id) == (200, first.id)  # type: ignore[union-attr]


async def test_a_deleted_file_disappears_from_the_messages(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    deleted, stays = world.files.add(channel, ada), world.files.add(channel, ada)
    both = await world.send(channel, ada, attachments=(deleted, stays))
    only = await world.send(channel, ada, attachments=(deleted,))
    await world.send(channel, ada, attachments=(stays,))
    event = world.files.delete(deleted, both.server_id)
    await world.on_file_event(event)
    await world.on_file_event(event)  # again changes nothing
    assert ids_of(await world.get(both, ada)) == [stays]
    without = await world.get(only, ada)
    assert (without.attachments, without.edited_at) == ((), None)
    updated = [event for event in await world.events() if event.type == "message.updated"]
    assert [event.revision for event in updated] == [4, 5]


async def test_a_file_that_is_deleted_during_the_send_is_left_out(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    file = world.files.add(channel, ada)
    server_id = (await world.send(channel, ada)).server_id
    await world.on_file_event(world.files.delete(file, server_id))
    world.files.files[file] = (channel, ada)  # it was described just before its deletion
    assert (await world.send(channel, ada, attachments=(file,))).attachments == ()


async def test_a_deleted_message_shows_nothing(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    file = world.files.add(channel, ada)
    message = await world.send(channel, ada, attachments=(file,))
    await world.delete(message, ada)
    await world.on_file_event(world.files.delete(file, message.server_id))
    assert [event.type for event in await world.events()] == ["message.created", "message.deleted"]
