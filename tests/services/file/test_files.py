"""What the file service keeps, counts and takes away."""

import asyncio
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest

from apps.file.domain.files import Usage
from apps.file.outbound.storage import S3Storage
from apps.file.usecases.create_file import address_file
from cli.embedded.ports import free_port
from cli.embedded.s3 import EmbeddedS3
from shared.contracts.errors import MeshError
from shared.contracts.file import FileStatus
from tests.services.file.world import LIFE_S, PART, QUOTA, Form, World, s3_at


def refused(code: str) -> "pytest.RaisesExc[MeshError]":
    return pytest.raises(MeshError, match=code.replace(".", r"\."))


async def test_what_was_checked_is_where_nobody_else_writes(world: World) -> None:
    file = await world.share()
    assert world.objects() == [f"files/{file.id}", f"uploads/{file.id}"]
    assert (file.status, await world.events()) == (FileStatus.COMPLETE, ["file.completed"])
    assert await world.complete(file.id) == file
    assert await world.events() == ["file.completed"]
    world.clock.ahead = timedelta(seconds=LIFE_S + 1)
    await world.sweep()
    assert world.objects() == [f"files/{file.id}"]


async def test_an_upload_that_never_comes_is_swept(world: World) -> None:
    made = await world.create(1000)
    await world.put(await world.create(3))
    assert await world.usage() == Usage(1003, 2)
    await world.sweep()
    assert await world.rows() == 2
    world.clock.ahead = timedelta(seconds=LIFE_S + 1)
    await world.sweep()
    assert (await world.usage(), await world.rows(), world.objects()) == (Usage(0, 0), 0, [])
    with refused("file.not_found"):
        await world.complete(made.file.id)
    assert await world.events() == []


async def test_bytes_that_come_after_the_deletion_do_not_stay(world: World) -> None:
    made = await world.create()
    await world.delete(made.file.id)
    await world.sweep()
    assert await world.put(made) == 200  # the address is still good
    assert await world.rows() == 1
    world.clock.ahead = timedelta(seconds=LIFE_S + 1)
    await world.sweep()
    assert (await world.rows(), world.objects()) == (0, [])


async def test_the_quota_counts_what_waits_and_what_is_there(world: World) -> None:
    most = world.limits.file_max_bytes
    await world.create(most)
    await world.create(most)
    with refused("quota.exceeded"):
        await world.create(1)
    assert await world.usage() == Usage(QUOTA, 2)


async def test_so_many_files_and_no_more_however_many_ask_at_once(world: World) -> None:
    outcomes = await asyncio.gather(*(world.create() for _ in range(30)), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == world.limits.quota_files
    assert await world.usage() == Usage(60, 20)


async def test_a_deleted_file_gives_its_room_back_once(world: World) -> None:
    file = await world.share()
    await world.delete(file.id, call_id="one")
    await world.delete(file.id, call_id="one")  # the same call again
    with refused("file.not_found"):
        await world.delete(file.id, call_id="two")
    assert (await world.usage(), await world.events()) == (Usage(0, 0), ["file.completed", "file.deleted"])
    await world.sweep()
    assert world.objects() == []


async def test_who_may_moderate_deletes_files_of_others(world: World) -> None:
    file = await world.share()
    await world.delete(file.id, world.ben)
    assert await world.usage() == Usage(0, 0)


async def test_completing_twice_at_once_is_told_once(world: World) -> None:
    made = await world.create()
    await world.put(made)
    one, two = await asyncio.gather(world.complete(made.file.id), world.complete(made.file.id))
    assert one == two
    assert await world.events() == ["file.completed"]


async def test_a_file_that_is_deleted_while_it_is_completed(world: World) -> None:
    made = await world.create()
    await world.put(made)
    outcomes = await asyncio.gather(
        world.complete(made.file.id), world.delete(made.file.id), return_exceptions=True
    )
    assert all(outcome is None or isinstance(outcome, MeshError) or outcome.id for outcome in outcomes)  # type: ignore[union-attr]
    world.clock.ahead = timedelta(seconds=LIFE_S + 1)
    await world.sweep()
    assert (await world.usage(), world.objects(), await world.rows()) == (Usage(0, 0), [], 0)


async def test_files_of_a_deleted_channel_go(world: World) -> None:
    for _ in range(5):
        await world.share()
    await world.facts.channel_gone(world.channel, world.server, 2, world.clock.now())
    world.clock.ahead = timedelta(seconds=LIFE_S + 1)
    await world.sweep()
    assert (await world.usage(), world.objects(), await world.rows()) == (Usage(0, 0), [], 0)


async def test_files_of_a_deleted_server_go(world: World) -> None:
    await world.share()
    await world.facts.server_gone(world.server, 2, world.clock.now())
    world.clock.ahead = timedelta(seconds=LIFE_S + 1)
    await world.sweep()
    assert (await world.usage(), world.objects(), await world.rows()) == (Usage(0, 0), [], 0)


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 2 * PART])
async def test_streamed_files_of_any_size(world: World, size: int) -> None:
    body = b"tea " * (size // 4) + b"x" * (size % 4)
    file = await world.receive(Form(world.channel, body))
    assert (file.size, await world.usage()) == (size, Usage(size, 1))
    url = await world.storage.download_address(f"files/{file.id}", 60, {"Content-Type": "text/plain"})
    async with httpx.AsyncClient() as http:
        assert (await http.get(url)).content == body


@pytest.mark.parametrize("after", [0, PART, 3 * PART])
async def test_a_streamed_file_that_breaks_off_leaves_nothing(world: World, after: int) -> None:
    form = Form(world.channel, b"a" * 4 * PART)
    form.breaks_after = after
    with pytest.raises(ConnectionError):
        await world.receive(form)
    await world.sweep()
    world.clock.ahead = timedelta(seconds=LIFE_S + 1)
    await world.sweep()
    assert (await world.usage(), world.objects(), await world.rows()) == (Usage(0, 0), [], 0)


async def test_a_streamed_file_that_grows_too_large(world: World) -> None:
    with refused("file.too_large"):
        await world.receive(Form(world.channel, b"a" * (world.limits.file_max_bytes + 1)))
    assert await world.usage() == Usage(0, 0)


async def test_the_wrong_size_or_type_is_thrown_away(world: World) -> None:
    made = await world.create(content_type="image/png")
    await world.put(made)
    with refused("file.type_not_allowed"):
        await world.complete(made.file.id)
    assert await world.usage() == Usage(0, 0)
    # A size that S3 did not hold to: put there by who may write everywhere.
    made = await world.create(9)
    await world.storage.put(f"uploads/{made.file.id}", b"tea", "text/plain")
    with refused("file.size_mismatch"):
        await world.complete(made.file.id)


async def test_an_address_that_has_expired(world: World) -> None:
    key = f"uploads/{UUID(int=1)}"
    now = world.clock.now()
    upload = await world.storage.upload_address(key, 3, "text/plain", None, now + timedelta(seconds=2), now)
    await asyncio.sleep(3.1)
    async with httpx.AsyncClient() as http:
        late = await http.put(upload.url, headers=upload.headers, content=b"tea")
    assert late.status_code == 403


async def test_an_address_never_outlives_its_time(world: World) -> None:
    """After it nobody looks whether there is something to be taken away."""
    made = await world.create()
    for passed_s in (0, 100, 898):
        world.clock.ahead = timedelta(seconds=passed_s)
        again = await address_file(made.file, None, world.storage, world.clock, LIFE_S)
        assert (again.file, again.upload.expires_at) == (made.file, made.upload.expires_at)
        life_s = int(parse_qs(urlsplit(again.upload.url).query)["X-Amz-Expires"][0])
        assert LIFE_S - passed_s - 2 <= life_s <= LIFE_S - passed_s
    for passed_s in (899.5, 900, 10_000):
        world.clock.ahead = timedelta(seconds=passed_s)
        with refused("file.not_uploaded"):
            await address_file(made.file, None, world.storage, world.clock, LIFE_S)
    now = world.clock.now()
    with refused("mesh.busy"):
        await world.storage.upload_address("uploads/x", 3, "text/plain", None, now, now)


async def test_while_s3_is_away_calls_end_soon_and_nothing_blocks(world: World, s3: EmbeddedS3) -> None:
    away = S3Storage(s3_at(s3, "nowhere", f"http://127.0.0.1:{free_port()}"))
    begun = time.monotonic()
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    turning = asyncio.create_task(turn())
    for call in (away.ping(), away.look("a"), away.put("a", b"b", "text/plain"), away.open()):
        with refused("mesh.busy"):
            await call
    turning.cancel()
    spent_s = time.monotonic() - begun
    assert spent_s < 8
    assert turns > spent_s * 20  # the loop was never held
    await away.close()
