"""Files that are streamed in a form."""

import pytest

from apps.file.domain.files import Usage
from tests.unit.file.world import ALLOWANCE, EXPIRED, NOTHING, PART, WRITES_END, Form, World, refused


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 2 * PART])
async def test_streamed_files_of_any_size(world: World, size: int) -> None:
    body = b"tea " * (size // 4) + b"x" * (size % 4)
    file = await world.receive(Form(world.channel, body))
    assert (file.size, await world.usage()) == (size, Usage(size, 1))
    assert await world.download(file.id, world.ben) == body
    assert await world.adapters.events() == ["file.completed"]


@pytest.mark.parametrize("after", [0, PART, 3 * PART])
async def test_a_streamed_file_that_breaks_off_leaves_nothing(world: World, after: int) -> None:
    form = Form(world.channel, b"a" * 4 * PART)
    form.breaks_after = after
    with pytest.raises(ConnectionError):
        await world.receive(form)
    assert await world.usage() == Usage(0, 0)
    await world.sweep()
    assert world.adapters.objects() == []
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING


async def test_exactly_as_large_as_a_file_may_be_and_one_byte_more(world: World) -> None:
    most = b"a" * ALLOWANCE.file_max_bytes
    file = await world.receive(Form(world.channel, most))
    assert file.size == ALLOWANCE.file_max_bytes
    assert await refused(world.receive(Form(world.channel, most + b"a"))) == "file.too_large"
    assert await world.usage() == Usage(ALLOWANCE.file_max_bytes, 1)
    await world.sweep()
    assert world.adapters.objects() == [f"files/{file.id}"]


async def test_room_is_taken_before_the_first_byte(world: World) -> None:
    form = Form(world.channel, b"tea")
    form.size_max = 1000
    seen: list[Usage] = []

    async def meanwhile(at: int) -> None:
        seen.append(await world.usage())

    form.meanwhile = meanwhile
    await world.receive(form)
    assert (seen[0], await world.usage()) == (Usage(1000, 1), Usage(3, 1))


async def test_what_is_refused(world: World) -> None:
    assert await refused(world.receive(Form(world.channel, b""))) == "validation.failed"
    assert await refused(world.receive(Form(world.channel, b"tea", "text/html"))) == "file.type_not_allowed"
    assert await refused(world.receive(Form(world.channel, b"tea", "image/png"))) == "file.type_not_allowed"
    world.ada = world.eve
    assert await refused(world.receive(Form(world.channel, b"tea"))) == "channel.not_found"


@pytest.mark.parametrize(
    ("size", "swept_at", "code"),
    [
        (3, 0, "channel.not_found"),
        (3 * PART, 0, "channel.not_found"),
        (3 * PART, PART, "mesh.busy"),  # the parts before are gone
        (3 * PART, 3 * PART, "mesh.busy"),
    ],
)
async def test_while_its_channel_is_deleted_and_swept(
    world: World, size: int, swept_at: int, code: str
) -> None:
    """Neither an object nor a part stays, although the row was swept before they were written."""
    form = Form(world.channel, b"a" * size)

    async def meanwhile(at: int) -> None:
        if at >= swept_at and world.channel in world.server.channels:
            await world.on_server_event(world.server.delete_channel(world.channel))
            await world.sweep()
            assert await world.adapters.rows() == 1

    form.meanwhile = meanwhile
    assert await refused(world.receive(form)) == code
    await world.sweep()
    assert world.adapters.objects() == []
    await world.pass_by(EXPIRED + WRITES_END)
    assert await world.left() == NOTHING


@pytest.mark.parametrize("heard", [True, False])
async def test_who_is_kicked_meanwhile_shares_nothing(world: World, heard: bool) -> None:
    form = Form(world.channel, b"a" * 2 * PART)

    async def meanwhile(at: int) -> None:
        if world.ada in world.server.members:
            await world.on_server_event(world.server.kick(world.ada))
            if not heard:
                world.server.join(world.ada)  # and joins again, which our copy does not know yet

    form.meanwhile = meanwhile
    if heard:
        assert await refused(world.receive(form)) == "channel.not_found"
        await world.pass_by(WRITES_END)
        assert await world.left() == NOTHING
    else:
        assert (await world.receive(form)).size == 2 * PART
