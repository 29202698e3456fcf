"""Files from their announcement to their deletion."""

import asyncio
import base64
import gzip
import hashlib
import io
import tracemalloc
import zipfile
from datetime import timedelta

import pytest

from apps.file.domain.files import Usage
from shared.contracts.errors import ServiceError
from shared.contracts.file import FileStatus
from tests.unit.file.world import ALLOWANCE, EXPIRED, WRITES_END, Form, World, refused

BOMB_BYTES = 100 * 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + bytes(25)


async def test_what_was_checked_is_where_nobody_else_writes(world: World) -> None:
    file = await world.share()
    assert world.adapters.objects() == [f"files/{file.id}", f"uploads/{file.id}"]
    assert (file.status, await world.adapters.events()) == (FileStatus.COMPLETE, ["file.completed"])
    assert await world.complete(file.id) == file
    assert await world.adapters.events() == ["file.completed"]
    await world.pass_by(EXPIRED)
    assert world.adapters.objects() == [f"files/{file.id}"]
    assert await world.download(file.id, world.ben) == b"tea"


async def test_other_bytes_at_the_same_address_change_nothing(world: World) -> None:
    made = await world.create()
    await world.put(made)
    await world.complete(made.file.id)
    assert await world.put(made, b"TEA") == 200
    assert await world.download(made.file.id, world.ada) == b"tea"
    await world.complete(made.file.id)
    assert await world.download(made.file.id, world.ada) == b"tea"


async def test_other_bytes_before_it_is_complete_are_the_file(world: World) -> None:
    made = await world.create()
    await world.put(made)
    await world.put(made, b"TEA")
    await world.complete(made.file.id)
    assert await world.download(made.file.id, world.ben) == b"TEA"


async def test_who_sees_a_file(world: World) -> None:
    made = await world.create()
    file_id = made.file.id
    assert await world.get(file_id, world.ada) == made.file
    assert await refused(world.get(file_id, world.ben)) == "file.not_found"
    assert await refused(world.download(file_id, world.ada)) == "file.not_found"
    assert await refused(world.complete(file_id)) == "file.not_uploaded"
    await world.put(made)
    assert await refused(world.complete(file_id, world.ben)) == "file.not_found"
    done = await world.complete(file_id)
    assert await world.get(file_id, world.ben) == done
    assert await refused(world.get(file_id, world.eve)) == "file.not_found"
    await world.delete(file_id)
    assert await refused(world.get(file_id, world.ada)) == "file.not_found"


async def test_who_has_just_joined_announces_and_sees_at_once(world: World) -> None:
    file = await world.share()
    world.server.join(world.eve)  # our copy does not know yet
    assert await world.get(file.id, world.eve) == file
    assert (await world.create(profile_id=world.eve)).file.profile_id == world.eve


async def test_what_may_be_announced(world: World) -> None:
    most = ALLOWANCE.file_max_bytes
    assert (await world.create(most)).file.size == most
    assert await refused(world.create(most + 1)) == "file.too_large"
    assert await refused(world.create(content_type="text/html")) == "file.type_not_allowed"
    assert await refused(world.create(profile_id=world.eve)) == "channel.not_found"
    await world.on_server_event(world.server.delete_channel(world.channel))
    assert await refused(world.create()) == "channel.not_found"


async def test_the_same_key_announces_once(world: World) -> None:
    one, two = await world.create(key="k"), await world.create(key="k")
    assert (one.file, one.upload.expires_at) == (two.file, two.upload.expires_at)
    assert await world.usage() == Usage(3, 1)
    assert await refused(world.create(4, key="k")) == "idempotency.mismatch"


async def test_the_quota_counts_what_waits_and_what_is_there(world: World) -> None:
    most = ALLOWANCE.file_max_bytes
    await world.create(most)
    await world.create(most)
    assert await refused(world.create(1)) == "quota.exceeded"
    assert await world.usage() == Usage(ALLOWANCE.quota_bytes, 2)


async def test_so_many_files_and_no_more_however_many_ask_at_once(world: World) -> None:
    outcomes = await asyncio.gather(*(world.create() for _ in range(30)), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == ALLOWANCE.quota_files
    assert await world.usage() == Usage(60, 20)


async def test_the_wrong_type_is_thrown_away(world: World) -> None:
    made = await world.create(content_type="image/png")
    await world.put(made)
    assert await refused(world.complete(made.file.id)) == "file.type_not_allowed"
    assert await refused(world.get(made.file.id, world.ada)) == "file.not_found"
    await world.sweep()
    assert world.adapters.objects() == []


async def test_the_wrong_size_is_thrown_away(world: World) -> None:
    made = await world.create(9)
    # Stored by the service itself: S3 holds clients to the announced size.
    await world.storage.put(f"uploads/{made.file.id}", b"tea", "text/plain")
    assert await refused(world.complete(made.file.id)) == "file.size_mismatch"
    await world.sweep()
    assert world.adapters.objects() == []


async def test_an_address_takes_only_what_was_announced(world: World) -> None:
    assert await world.put(await world.create(3), b"four") == 403
    digest = base64.b64encode(hashlib.sha256(b"tea").digest()).decode()
    made = await world.create(3, sha256=digest)
    assert await world.put(made, b"TEA") == 400
    assert await world.put(made, b"tea") == 200


async def test_completing_twice_at_once_is_told_once(world: World) -> None:
    made = await world.create()
    await world.put(made)
    one, two = await asyncio.gather(world.complete(made.file.id), world.complete(made.file.id))
    assert one == two
    assert await world.adapters.events() == ["file.completed"]


async def test_a_file_that_is_deleted_while_it_is_completed(world: World) -> None:
    made = await world.create()
    await world.put(made)
    outcomes = await asyncio.gather(
        world.complete(made.file.id), world.delete(made.file.id), return_exceptions=True
    )
    assert outcomes[1] is None
    assert not isinstance(outcomes[0], BaseException) or isinstance(outcomes[0], ServiceError)
    assert await refused(world.get(made.file.id, world.ada)) == "file.not_found"
    told = await world.adapters.events()
    assert told == ([] if isinstance(outcomes[0], ServiceError) else ["file.completed", "file.deleted"])


async def test_deleting_twice(world: World) -> None:
    file = await world.share()
    await world.delete(file.id, call_id="one")
    await world.delete(file.id, call_id="one")  # the same call again
    assert await refused(world.delete(file.id, call_id="two")) == "file.not_found"
    assert await world.adapters.events() == ["file.completed", "file.deleted"]


async def test_who_may_delete(world: World) -> None:
    ada = await world.share()
    assert await refused(world.delete(ada.id, world.eve)) == "file.not_found"
    await world.delete(ada.id, world.ben)
    made = await world.create(profile_id=world.ben)
    await world.put(made)
    await world.complete(made.file.id, world.ben)
    assert await refused(world.delete(made.file.id, world.ada)) == "permission.denied"


@pytest.mark.parametrize("heard", [True, False])
async def test_who_was_kicked_completes_nothing(world: World, heard: bool) -> None:
    made = await world.create()
    await world.put(made)
    kicked = world.server.kick(world.ada)
    if heard:
        await world.on_server_event(kicked)
        assert await refused(world.complete(made.file.id)) == "file.not_found"  # like any outsider
        assert await world.adapters.events() == []
        await world.pass_by(EXPIRED)
        await world.pass_by(WRITES_END)
        assert world.adapters.objects() == []
        assert await world.adapters.rows() == 0
    else:
        # Our copy lags for a bounded time; afterwards a removed member sees nothing.
        await world.complete(made.file.id)
        await world.on_server_event(kicked)
        assert await refused(world.download(made.file.id, world.ada)) == "file.not_found"
        assert await world.download(made.file.id, world.ben) == b"tea"


async def test_thumbnails_are_made_once_and_go_with_their_file(world: World) -> None:
    file = await world.share(PNG, content_type="image/png")
    small, again = await asyncio.gather(*(world.thumbnail(file.id, world.ben) for _ in range(2)))
    assert (small, again, world.renderer.rendered) == (b"96", b"96", 1)
    text = await world.share()
    assert await refused(world.thumbnail(text.id, world.ben)) == "file.no_thumbnail"
    assert await refused(world.thumbnail(file.id, world.eve)) == "file.not_found"
    await world.delete(file.id)
    await world.sweep()
    assert world.adapters.objects() == [f"files/{text.id}", f"uploads/{text.id}"]


async def test_what_may_be_attached(world: World) -> None:
    one, two = await world.share(), await world.share()
    assert await world.describe(two.id, one.id) == [two.id, one.id]
    pending = (await world.create()).file.id
    assert await refused(world.describe(one.id, pending)) == "file.not_found"
    await world.delete(two.id)
    assert await refused(world.describe(two.id)) == "file.not_found"


async def test_only_ones_own_files_of_this_channel_may_be_attached(world: World) -> None:
    file, here = await world.share(), world.channel
    world.channel, made = world.server.add_channel()
    await world.on_server_event(made)
    assert await refused(world.describe(file.id)) == "file.not_found"
    world.channel = here
    assert await world.describe(file.id) == [file.id]
    world.ada = world.ben
    assert await refused(world.describe(file.id)) == "file.not_found"


@pytest.mark.parametrize("content_type", ["application/zip", "application/gzip"])
async def test_an_archive_is_kept_as_it_is_however_large_it_would_become(
    world: World, content_type: str
) -> None:
    bomb = {"application/zip": zipped, "application/gzip": gzip.compress}[content_type](bytes(BOMB_BYTES))
    assert len(bomb) < BOMB_BYTES / 500
    tracemalloc.start()
    try:
        file = await world.share(bomb, content_type=content_type)
        streamed = await world.receive(Form(world.channel, bomb, content_type))
        assert await refused(world.thumbnail(file.id, world.ben)) == "file.no_thumbnail"
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert await world.download(file.id, world.ben) == await world.download(streamed.id, world.ben) == bomb
    assert most < BOMB_BYTES / 4


def zipped(body: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros", body)
    return out.getvalue()


async def test_the_clock_goes_back_under_files(world: World) -> None:
    waiting, shared = await world.create(key="once"), await world.share()
    world.clock.ahead -= timedelta(seconds=5)
    again = await world.create(key="once")
    assert (again.file, again.upload.expires_at) == (waiting.file, waiting.upload.expires_at)
    assert await world.put(waiting) == 200
    done = [await world.complete(waiting.file.id), await world.receive(Form(world.channel, b"tea")), shared]
    assert [await world.download(file.id, world.ben) for file in done] == [b"tea"] * 3
    await world.delete(shared.id)
    await world.sweep()
    assert await refused(world.get(shared.id, world.ada)) == "file.not_found"
    assert f"files/{shared.id}" not in world.adapters.objects()
    await world.pass_by(EXPIRED + timedelta(seconds=5))
    assert await world.usage() == Usage(6, 2)
    await world.pass_by(WRITES_END)
    assert world.adapters.objects() == sorted(f"files/{file.id}" for file in done[:2])
    assert await world.adapters.rows() == 2


async def test_who_asks_again_gets_no_address_beyond_its_time(world: World) -> None:
    """Objects that come later would never be purged."""
    made = await world.create(key="once")
    for passed_s in (100, 898):
        world.clock.ahead = timedelta(seconds=passed_s)
        again = await world.create(key="once")
        assert (again.file, again.upload.expires_at) == (made.file, made.upload.expires_at)
        assert await world.put(again) == 200
    for passed_s in (899.5, 900, 10_000):
        world.clock.ahead = timedelta(seconds=passed_s)
        assert await refused(world.create(key="once")) == "file.not_uploaded"
