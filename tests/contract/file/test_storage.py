"""S3Storage with a working, an unreachable and a slow S3."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from apps.file.outbound.bounded_executor import WAIT_TIMEOUT_S
from apps.file.outbound.s3_client import CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from apps.file.outbound.storage import S3Storage
from apps.file.ports import ObjectHead
from cli.config.ports import free_port
from shared.contracts.errors import ServiceError
from shared.kit.clock import SystemClock
from shared.kit.health.checks import READY, Health
from tests.contract.file.conftest import objects_of
from tests.support.hanging_s3 import HangingS3, hanging
from tests.support.s3 import TestedS3, new_bucket, s3_at
from tests.unit.file.world import refused

CALL_TIMEOUT_S = 10
THREADS = 4
KEY = f"files/{UUID(int=1)}"


@pytest.fixture
async def slow(s3: TestedS3) -> AsyncIterator[tuple[HangingS3, S3Storage]]:
    """A bucket behind a proxy that can hang."""
    async with hanging(s3.url) as between:
        storage = S3Storage(s3_at(s3, new_bucket(), between.url))
        await storage.open()
        yield between, storage
        await storage.close()


async def test_a_bucket_that_is_missing_is_made(s3: TestedS3) -> None:
    storage = S3Storage(s3_at(s3, new_bucket()))
    assert await refused(storage.put("a", b"tea", "text/plain")) == "mesh.busy"
    await storage.open()
    await storage.put("a", b"tea", "text/plain")
    await storage.open()  # again changes nothing
    assert objects_of(storage) == ["a"]
    await storage.close()


@pytest.mark.parametrize("left_s", [900, 800, 2])
async def test_an_address_never_outlives_its_time(storage: S3Storage, left_s: int) -> None:
    now = SystemClock().now()
    until = now + timedelta(seconds=left_s)
    upload = await storage.presign_upload(KEY, 3, "text/plain", None, until, now)
    life_s = int(parse_qs(urlsplit(upload.url).query)["X-Amz-Expires"][0])
    assert left_s - 1 <= life_s <= left_s
    assert upload.expires_at == until


async def test_an_address_without_a_second_left_is_none(storage: S3Storage) -> None:
    now = SystemClock().now()
    until = now + timedelta(seconds=0.9)
    assert await refused(storage.presign_upload(KEY, 3, "text/plain", None, until, now)) == "mesh.busy"


async def test_an_object_is_copied_once(storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second request joins the running copy, or finds the finished one."""
    await storage.put("uploads/a", b"tea", "text/plain")
    found = await storage.head("uploads/a")
    assert found is not None
    copied = 0
    copy_object = storage._patient_client.copy_object

    def slowly(**wanted: object) -> object:
        nonlocal copied
        copied += 1
        time.sleep(0.5)
        return copy_object(**wanted)

    monkeypatch.setattr(storage._patient_client, "copy_object", slowly)
    for _ in range(2):  # as calls do that run into their deadlines
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await storage.copy("uploads/a", found, KEY, "text/plain")
    assert await storage.copy("uploads/a", found, KEY, "text/plain")
    assert await storage.copy("uploads/a", found, KEY, "text/plain")
    assert copied == 1
    assert await storage.head(KEY) == found

    await storage.put("uploads/a", b"TEA", "text/plain")
    assert not await storage.copy("uploads/a", found, "files/b", "text/plain")
    other = await storage.head("uploads/a")
    assert other is not None
    assert await storage.copy("uploads/a", other, KEY, "text/plain")
    assert await storage.read_start(KEY, ObjectHead(3, other.etag), 3) == b"TEA"


async def test_parts_and_objects_are_removed(storage: S3Storage) -> None:
    for key in ("a", "b", "c"):
        await storage.put(key, b"tea", "text/plain")
    for _ in range(2):
        await storage.upload_part("a", await storage.create_upload("a", "text/plain"), 1, b"tea")
    await storage.create_upload("b", "text/plain")
    await storage.abort_uploads("a")
    assert await storage.delete(["a", "c", "not there"]) == frozenset()
    assert objects_of(storage) == ["b", "b"]
    many = [f"many/{number}" for number in range(1001)]
    await storage.put(many[-1], b"tea", "text/plain")
    await storage.delete(many)
    assert objects_of(storage) == ["b", "b"]


async def test_while_s3_is_away_calls_end_soon_and_nothing_blocks(s3: TestedS3) -> None:
    away = S3Storage(s3_at(s3, "nowhere", f"http://127.0.0.1:{free_port()}"))
    begun = time.monotonic()
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    turning = asyncio.create_task(turn())
    for call in (away.open(), away.head("a"), away.put("a", b"b", "text/plain"), away.delete(["a"])):
        assert await refused(call) == "mesh.busy"
    turning.cancel()
    spent_s = time.monotonic() - begun
    assert spent_s < 2 * CONNECT_TIMEOUT_S
    assert turns > spent_s * 20  # the loop was never held
    await away.close()


async def test_s3_hangs_and_comes_back(slow: tuple[HangingS3, S3Storage]) -> None:
    """Every call fails before its deadline, and calls that need no S3 succeed."""
    between, storage = slow
    assert WAIT_TIMEOUT_S + READ_TIMEOUT_S < CALL_TIMEOUT_S
    health = Health()
    health.probe("s3", storage.open)
    assert (await health.report()).is_ready

    between.hangs.set()
    begun = time.monotonic()
    hung = [asyncio.create_task(refused(storage.head(KEY))) for _ in range(3 * THREADS)]
    hung.append(asyncio.create_task(refused(storage.copy("a", ObjectHead(3, '"a"'), KEY, "text/plain"))))
    await asyncio.sleep(0.1)
    signing = time.monotonic()
    now = SystemClock().now()
    await storage.presign_upload(KEY, 3, "text/plain", None, now + timedelta(seconds=60), now)
    await storage.presign_download(KEY, 60, {})
    assert time.monotonic() - signing < 1
    while (state := (await health.report()).parts["s3"]) == READY:  # it is asked once a second
        assert time.monotonic() - begun < 3
        await asyncio.sleep(0.1)
    assert state == "no answer within 1 s"
    assert await asyncio.gather(*hung) == ["mesh.busy"] * len(hung)
    assert time.monotonic() - begun < CALL_TIMEOUT_S

    between.hangs.clear()
    back = time.monotonic() + READ_TIMEOUT_S + 3
    while (await health.report()).parts["s3"] != READY:
        assert time.monotonic() < back
        await asyncio.sleep(0.1)
    assert await storage.head(KEY) is None


async def test_who_gave_up_waiting_does_not_make_room_for_more_threads(
    slow: tuple[HangingS3, S3Storage],
) -> None:
    between, storage = slow
    await storage.head(KEY)
    between.hangs.set()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.gather(*(storage.head(KEY) for _ in range(THREADS)))
    before = between.connections
    with pytest.raises(ServiceError, match="in progress"):
        await storage.head(KEY)
    assert between.connections == before
    assert before <= 2 + THREADS  # one for `open`, and one for each thread
