"""The sweep leaves no unused object, whenever it was written."""

from datetime import timedelta

from apps.file.domain.files import Usage
from apps.file.usecases.sweep import CLAIM_TTL, PURGE_BATCH_FILES
from tests.unit.file.world import EXPIRED, NOTHING, PART, WRITES_END, Form, World, refused


async def test_an_upload_that_never_comes_is_swept(world: World) -> None:
    made = await world.create(1000)
    await world.put(await world.create(3))
    assert await world.usage() == Usage(1003, 2)
    await world.sweep()
    assert await world.adapters.rows() == 2
    await world.pass_by(EXPIRED)
    assert (await world.usage(), world.adapters.objects()) == (Usage(0, 0), [])
    assert await refused(world.complete(made.file.id)) == "file.not_found"
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING
    assert await world.adapters.events() == []


async def test_bytes_that_come_after_the_deletion_count_and_do_not_stay(world: World) -> None:
    made = await world.create()
    await world.delete(made.file.id)
    await world.sweep()
    assert await world.put(made) == 200  # the address is still good
    assert await world.left() == (Usage(3, 1), 1, [f"uploads/{made.file.id}"])
    await world.pass_by(EXPIRED)
    assert await world.usage() == Usage(0, 0)
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING


async def test_announcing_and_deleting_does_not_get_around_the_quota(world: World) -> None:
    for _ in range(2):
        await world.delete((await world.create(20 * 1024 * 1024)).file.id)
    assert await refused(world.create(1)) == "quota.exceeded"
    await world.pass_by(EXPIRED)
    await world.create(1)


async def test_a_put_that_ends_long_after_its_place_was_swept(world: World) -> None:
    made = await world.create()
    await world.pass_by(EXPIRED)
    await world.pass_by(WRITES_END / 2)
    # It began while the address was good, and only now ends.
    await world.storage.put(f"uploads/{made.file.id}", b"tea", "text/plain")
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING


async def test_a_put_that_ends_long_after_its_file_is_complete(world: World) -> None:
    file = await world.share()
    await world.pass_by(EXPIRED)
    await world.storage.put(f"uploads/{file.id}", b"TEA", "text/plain")
    await world.pass_by(WRITES_END)
    assert await world.left() == (Usage(3, 1), 1, [f"files/{file.id}"])


async def test_a_thread_that_outlives_its_call_leaves_nothing(world: World) -> None:
    """Writes that end after their file was deleted and swept: an object, a copy, a part, a thumbnail."""
    old = await world.share()
    await world.pass_by(EXPIRED + WRITES_END)
    form = Form(world.channel, b"a" * 4 * PART)
    form.breaks_after = 2 * PART
    await world.delete(old.id)
    begun: list[str] = []

    async def meanwhile(at: int) -> None:
        begun.extend(key for key in world.adapters.objects() if key not in begun)

    form.meanwhile = meanwhile
    try:
        await world.receive(form)
    except ConnectionError:
        await world.sweep()
    assert world.adapters.objects() == []
    (broken,) = (key for key in begun if key != f"files/{old.id}")
    for key in (broken, f"files/{old.id}", f"thumbnails/{old.id}/320.webp"):
        await world.storage.put(key, b"late", "text/plain")
    await world.storage.upload_part(
        broken, await world.storage.create_upload(broken, "text/plain"), 1, b"late"
    )
    await world.pass_by(WRITES_END + timedelta(seconds=1))
    assert await world.left() == NOTHING


async def test_a_closed_file_that_is_deleted_gives_its_room_back_at_once(world: World) -> None:
    file = await world.share()
    await world.pass_by(EXPIRED)
    await world.delete(file.id)
    assert await world.usage() == Usage(0, 0)
    await world.sweep()
    assert world.adapters.objects() == []
    assert await world.adapters.rows() == 1
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING


async def test_room_is_given_back_once(world: World) -> None:
    file = await world.share()
    await world.share()
    await world.delete(file.id)
    for _ in range(3):
        await world.pass_by(EXPIRED)
    assert await world.usage() == Usage(3, 1)


async def test_files_of_a_deleted_channel_go(world: World) -> None:
    for _ in range(5):
        await world.share()
    await world.receive(Form(world.channel, b"tea"))
    await world.on_server_event(world.server.delete_channel(world.channel))
    await world.sweep()
    assert world.adapters.objects() == []
    await world.pass_by(EXPIRED + WRITES_END)
    assert await world.left() == NOTHING


async def test_files_of_a_deleted_server_go(world: World) -> None:
    await world.share()
    await world.on_server_event(world.server.delete())
    await world.sweep()
    assert world.adapters.objects() == []
    await world.pass_by(EXPIRED + WRITES_END)
    assert await world.left() == NOTHING


async def test_more_than_one_piece(world: World) -> None:
    for turn in range(PURGE_BATCH_FILES // 20 + 1):
        for _ in range(20):
            await world.create()
        await world.pass_by(EXPIRED)
        assert await world.usage() == Usage(0, 0), turn
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING


async def test_who_claimed_a_piece_and_died_leaves_it_to_others(world: World) -> None:
    await world.delete((await world.share()).id)
    dangling, now = world.adapters.dangling, world.clock.now()
    assert len(await dangling.claim(now, now + CLAIM_TTL, 10)) == 1
    await world.sweep()
    assert world.adapters.objects() != []
    await world.pass_by(CLAIM_TTL)
    assert world.adapters.objects() == []


async def test_a_file_that_is_deleted_while_it_is_claimed_is_purged_all_the_same(world: World) -> None:
    file = await world.share()
    world.clock.ahead += EXPIRED
    dangling, now = world.adapters.dangling, world.clock.now()
    claim = now + CLAIM_TTL
    (claimed,) = await dangling.claim(now, claim, 10)
    assert claimed.object_keys() == [f"uploads/{file.id}"]
    await world.delete(file.id)
    await dangling.settle(claim, [file.id], {})
    await world.sweep()
    assert world.adapters.objects() == []
