"""Repeated uploads and completions."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from apps.file.domain.files import Usage
from apps.file.outbound.storage import S3Storage
from shared.contracts.file import File
from shared.kit.clock import SystemClock
from shared.kit.database.database import Database
from shared.kit.database.idempotency import sweep_requests
from tests.contract.file.conftest import adapters_of
from tests.unit.file.world import ALLOWANCE, EXPIRED, PART, WRITES_END, Form, World, refused

DAY = timedelta(hours=24)
MINUTE = timedelta(minutes=1)


def tea(world: World, body: bytes = b"tea", kind: str = "text/plain", name: str = "tea.txt") -> Form:
    form = Form(world.channel, body, kind)
    form.name = name
    return form


@pytest.mark.parametrize("size", [3, PART, 2 * PART + 1])
async def test_the_same_upload_again_gets_the_first_answer(world: World, size: int) -> None:
    first = await world.receive(tea(world, b"a" * size), key="k")
    assert await world.receive(tea(world, b"a" * size), key="k") == first
    assert await world.left() == (Usage(size, 1), 1, [f"files/{first.id}"])
    assert await world.adapters.events() == ["file.completed"]


async def test_another_upload_with_the_same_key_is_refused(world: World) -> None:
    body = b"a" * (PART + 1)
    first = await world.receive(tea(world, body), key="k")
    elsewhere = tea(world, body)
    elsewhere.channel_id, made = world.server.add_channel()
    await world.on_server_event(made)
    others = (
        tea(world, body + b"a"),
        tea(world, body[:-1]),
        tea(world, body[:-1] + b"b"),
        tea(world, b""),
        tea(world, body, "text/csv"),
        tea(world, body, "image/png"),
        tea(world, body, name="tea.text"),
        elsewhere,
    )
    for other in others:
        assert await refused(world.receive(other, key="k")) == "idempotency.mismatch"
    assert await world.left() == (Usage(len(body), 1), 1, [f"files/{first.id}"])
    assert await world.receive(tea(world, body), key="k") == first


async def test_fields_do_not_run_into_each_other(world: World) -> None:
    """The fields in a fingerprint can not be shifted so that two files look the same."""
    await world.receive(tea(world, kind="text/plain", name='a","text/csv'), key="k")
    other = tea(world, kind="text/csv", name='a","text/plain')
    assert await refused(world.receive(other, key="k")) == "idempotency.mismatch"


async def test_a_type_may_be_spelled_another_way(world: World) -> None:
    first = await world.receive(tea(world, kind=""), key="k")
    assert await world.receive(tea(world, kind="application/octet-stream"), key="k") == first
    first = await world.receive(tea(world), key="l")
    assert await world.receive(tea(world, kind="TEXT/Plain"), key="l") == first


async def test_keys_are_of_one_caller_and_for_uploads_alone(world: World) -> None:
    first = await world.receive(tea(world), key="k")
    assert (await world.receive(tea(world), key="l")).id != first.id
    assert (await world.receive(tea(world))).id != first.id
    world.ada = world.ben
    theirs = await world.receive(tea(world, b"other tea"), key="k")
    assert (theirs.profile_id, theirs.size) == (world.ben, 9)


async def test_the_answer_comes_again_whatever_became_of_the_file(world: World) -> None:
    first = await world.receive(tea(world), key="k")
    await world.delete(first.id)
    await world.pass_by(WRITES_END)
    await world.create(ALLOWANCE.file_max_bytes)
    await world.create(ALLOWANCE.file_max_bytes)
    assert await refused(world.receive(tea(world))) == "quota.exceeded"
    assert await world.receive(tea(world), key="k") == first
    await world.on_server_event(world.server.delete_channel(world.channel))
    assert await world.receive(tea(world), key="k") == first
    assert await world.usage() == Usage(ALLOWANCE.quota_bytes, 2)


async def test_a_key_is_known_for_a_day(world: World) -> None:
    first = await world.receive(tea(world), key="k")
    world.clock.ahead += DAY - MINUTE
    assert await world.receive(tea(world), key="k") == first
    world.clock.ahead += 2 * MINUTE
    later = await world.receive(tea(world, b"other tea"), key="k")
    assert (later.id != first.id, later.size) == (True, 9)
    assert await world.receive(tea(world, b"other tea"), key="k") == later


async def test_a_broken_upload_leaves_the_key_free(world: World) -> None:
    for after in (0, PART, 2 * PART):
        form = tea(world, b"a" * 2 * PART)
        form.breaks_after = after
        with pytest.raises(ConnectionError):
            await world.receive(form, key="k")
    assert (await world.receive(tea(world, b"tea"), key="k")).size == 3
    assert await world.usage() == Usage(3, 1)


async def test_a_refusal_leaves_the_key_free(world: World) -> None:
    assert await refused(world.receive(tea(world, kind="image/png"), key="k")) == "file.type_not_allowed"
    assert await refused(world.receive(tea(world, b""), key="k")) == "validation.failed"
    await world.create(ALLOWANCE.file_max_bytes)
    full = await world.create(ALLOWANCE.file_max_bytes)
    assert await refused(world.receive(tea(world), key="k")) == "quota.exceeded"
    await world.delete(full.file.id)
    await world.pass_by(timedelta(hours=1))
    world.ada = world.eve
    assert await refused(world.receive(tea(world), key="k")) == "channel.not_found"
    world.server.join(world.eve)
    assert (await world.receive(tea(world), key="k")).size == 3


async def test_who_is_kicked_meanwhile_may_try_again(world: World) -> None:
    form = tea(world)

    async def meanwhile(at: int) -> None:
        if world.ada in world.server.members:
            await world.on_server_event(world.server.kick(world.ada))

    form.meanwhile = meanwhile
    assert await refused(world.receive(form, key="k")) == "channel.not_found"
    await world.on_server_event(world.server.join(world.ada))
    assert (await world.receive(tea(world), key="k")).size == 3


async def test_what_was_swept_meanwhile_may_be_tried_again(world: World) -> None:
    form = tea(world)

    async def meanwhile(at: int) -> None:
        await world.pass_by(EXPIRED)

    form.meanwhile = meanwhile
    assert await refused(world.receive(form, key="k")) == "file.not_found"
    assert (await world.receive(tea(world), key="k")).size == 3
    assert await world.usage() == Usage(3, 1)


async def test_a_repeat_keeps_to_the_bounds_and_breaks_off_as_any(world: World) -> None:
    first = await world.receive(tea(world), key="k")
    large = tea(world, bytes(ALLOWANCE.file_max_bytes + 1))
    assert await refused(world.receive(large, key="k")) == "file.too_large"
    broken = tea(world)
    broken.breaks_after = 0
    with pytest.raises(ConnectionError):
        await world.receive(broken, key="k")
    assert await world.receive(tea(world), key="k") == first


async def test_two_at_once_are_one_file(world: World) -> None:
    both = await asyncio.gather(*(world.receive(tea(world, b"a" * 2 * PART), key="k") for _ in range(2)))
    assert both[0] == both[1]
    await world.sweep()
    assert await world.usage() == Usage(2 * PART, 1)
    assert world.adapters.objects() == [f"files/{both[0].id}"]
    assert await world.adapters.events() == ["file.completed"]
    assert await world.download(both[0].id, world.ben) == b"a" * 2 * PART


async def test_of_two_others_at_once_one_is_refused(world: World) -> None:
    forms = tea(world, b"a" * PART), tea(world, b"b" * PART)
    both = await asyncio.gather(*(world.receive(form, key="k") for form in forms), return_exceptions=True)
    (file,) = (each for each in both if isinstance(each, File))
    (mismatch,) = (each for each in both if isinstance(each, BaseException))
    assert "idempotency.mismatch" in str(mismatch)
    await world.sweep()
    assert await world.usage() == Usage(PART, 1)
    assert world.adapters.objects() == [f"files/{file.id}"]


async def waiting(world: World, body: bytes = b"tea", content_type: str = "text/plain") -> File:
    """Return an announced and uploaded file."""
    made = await world.create(len(body), content_type=content_type)
    assert await world.put(made, body) == 200
    return made.file


async def test_completed_again_after_it_was_deleted(world: World) -> None:
    file = await waiting(world)
    first = await world.complete(file.id, key="k")
    assert await world.complete(file.id, key="l") == first
    await world.delete(file.id)
    assert await world.complete(file.id, key="k") == await world.complete(file.id, key="l") == first
    assert await refused(world.complete(file.id)) == "file.not_found"
    assert await refused(world.complete(file.id, key="m")) == "file.not_found"
    assert await refused(world.complete(file.id, world.ben, key="k")) == "file.not_found"
    world.clock.ahead += DAY + MINUTE
    assert await refused(world.complete(file.id, key="k")) == "file.not_found"
    assert await world.adapters.events() == ["file.completed", "file.deleted"]


async def test_what_was_thrown_away_is_refused_in_the_same_words(world: World) -> None:
    file = await waiting(world, content_type="image/png")
    assert await refused(world.complete(file.id, key="k")) == "file.type_not_allowed"
    short = (await world.create(9)).file
    await world.storage.put(f"uploads/{short.id}", b"tea", "text/plain")
    assert await refused(world.complete(short.id, key="k2")) == "file.size_mismatch"
    await world.sweep()
    for file_id, key, code in ((file.id, "k", "type_not_allowed"), (short.id, "k2", "size_mismatch")):
        assert await refused(world.complete(file_id, key=key)) == f"file.{code}"
        assert await refused(world.complete(file_id)) == "file.not_found"


async def test_not_yet_is_no_last_word(world: World) -> None:
    made = await world.create()
    assert await refused(world.complete(made.file.id, key="k")) == "file.not_uploaded"
    await world.put(made)
    await world.on_server_event(world.server.kick(world.ada))
    assert await refused(world.complete(made.file.id, key="k")) == "file.not_found"
    await world.on_server_event(world.server.join(world.ada))
    assert (await world.complete(made.file.id, key="k")).size == 3


async def test_the_same_call_that_comes_again_is_answered_the_same(world: World) -> None:
    """Kafka delivers a call again if a process died before it committed the offset."""
    file = await waiting(world, content_type="image/png")
    for _ in range(2):
        assert await refused(world.complete(file.id, call_id="one")) == "file.type_not_allowed"
    assert await refused(world.complete(file.id, call_id="two")) == "file.not_found"


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("content_type", ["text/plain", "image/png"])
async def test_completing_many_times_at_once(world: World, key: str | None, content_type: str) -> None:
    file = await waiting(world, content_type=content_type)
    asked = [world.complete(file.id, key=key) for _ in range(4)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    if content_type == "text/plain":
        assert len({each.id for each in outcomes if isinstance(each, File)}) == 1
        assert await world.adapters.events() == ["file.completed"]
    else:
        codes = {str(each).partition(":")[0] for each in outcomes}
        assert codes - {"file.not_found"} == {"file.type_not_allowed"}
        assert key is None or len(codes) == 1


async def test_what_another_call_completed_meanwhile_is_not_refused_for_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = (await world.create()).file
    await world.storage.put(f"uploads/{file.id}", b"\0\0\0", "text/plain")
    head = world.storage.read_start

    async def overtaken(*asked: Any) -> bytes | None:
        seen = await head(*asked)
        monkeypatch.setattr(world.storage, "read_start", head)
        await world.storage.put(f"uploads/{file.id}", b"tea", "text/plain")
        await world.complete(file.id)
        return seen

    monkeypatch.setattr(world.storage, "read_start", overtaken)
    done = await world.complete(file.id, key="k")
    assert done == await world.complete(file.id, key="k") == await world.get(file.id, world.ben)
    assert await world.adapters.events() == ["file.completed"]


async def test_keys_are_known_to_a_process_that_starts_later(
    postgres_world: World, database: Database, storage: S3Storage
) -> None:
    world = postgres_world
    first, file = await world.receive(tea(world), key="k"), await waiting(world)
    done = await world.complete(file.id, key="k2")
    await world.delete(file.id)
    later = World(adapters_of(database, storage))
    later.ada, later.channel = world.ada, world.channel
    assert await sweep_requests(database, SystemClock()) == 0
    assert await later.receive(tea(later), key="k") == first
    assert await later.complete(file.id, key="k2") == done
    assert await refused(later.receive(tea(later, b"other tea"), key="k")) == "idempotency.mismatch"
