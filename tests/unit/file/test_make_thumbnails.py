"""Only the image's own faults are stored; other failures are tried again, by one process at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import IO, Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from apps.file.domain.files import FileRecord
from apps.file.domain.thumbnails import TRIES_MAX
from apps.file.usecases import make_thumbnails
from apps.file.usecases.make_thumbnails import MakeThumbnails
from shared.contracts.errors import MESH_BUSY, ServiceError
from shared.contracts.file import THUMBNAIL_SIZES, File, FileStatus
from tests.support.polling import until

ID = UUID(int=1)
SIZE_MAX = 1000


def kept(content_type: str = "image/png", size: int = 10) -> FileRecord:
    file = File(
        id=ID,
        channel_id=UUID(int=2),
        profile_id=UUID(int=3),
        name="a",
        size=size,
        content_type=content_type,
        status=FileStatus.COMPLETE,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return FileRecord(file=file, server_id=UUID(int=4))


class Outside:
    """Fake database, storage, renderer and clock, all of which can fail."""

    def __init__(self) -> None:
        self.row: FileRecord | None = kept()
        self.objects: dict[str, bytes] = {}
        self.rendered = dict.fromkeys(THUMBNAIL_SIZES, b"webp")
        self.renderings = 0
        self.fault: BaseException | None = None
        self.there = True
        self.away = ""
        """The method at which S3 does not answer."""
        self.meanwhile: Callable[[], None] = lambda: None
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        yield self

    snapshot = transaction

    async def find(self, file_id: UUID, *, lock: bool = False) -> FileRecord | None:
        return self.row

    async def update(self, row: FileRecord) -> None:
        self.row = row

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def scratch_file(self, size: int) -> AsyncIterator[IO[bytes]]:
        yield BytesIO()

    async def download(self, key: str, target: IO[bytes]) -> bool:
        self._check("download")
        return self.there

    async def render(self, image: IO[bytes]) -> dict[int, bytes]:
        self.renderings += 1
        await asyncio.sleep(0.01)
        if self.fault is not None:
            raise self.fault
        return self.rendered

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        self._check("put")
        self.objects[key] = body

    def _check(self, call: str) -> None:
        if self.away == call:
            self.meanwhile()
            raise MESH_BUSY.exception("S3 is away")

    async def delete(self, keys: list[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)

    async def due(self, now: datetime, size: int) -> list[FileRecord]:
        row = self.row
        waits = row is None or row.thumbnails is not None or row.thumbnail_tries >= TRIES_MAX
        return [] if row is None or waits or (row.thumbnails_after or now) > now else [row]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    monkeypatch.setattr(make_thumbnails, "_POLL_TIMEOUT_S", 0.2)
    monkeypatch.setattr(make_thumbnails, "_POLL_INTERVAL_S", 0.01)
    return Outside()


def made_of(outside: Any) -> MakeThumbnails:
    return MakeThumbnails(outside, outside, outside, outside, SIZE_MAX)


def refused(code: str) -> "pytest.RaisesExc[ServiceError]":
    return pytest.raises(ServiceError, match=code.replace(".", r"\."))


async def test_made_once_however_many_ask(outside: Outside) -> None:
    making = made_of(outside)
    assert await asyncio.gather(*(making.make(kept()) for _ in range(5))) == [True] * 5
    assert (outside.renderings, len(outside.objects)) == (1, len(THUMBNAIL_SIZES))


async def test_two_processes_do_not_make_the_same(outside: Outside) -> None:
    one, two = made_of(outside), made_of(outside)
    assert await asyncio.gather(one.make(kept()), two.make(kept())) == [True, True]
    assert outside.renderings == 1


async def test_what_can_not_be_read_is_remembered(outside: Outside) -> None:
    outside.rendered = {}
    assert await made_of(outside).make(kept()) is False
    assert outside.row is not None
    assert outside.row.thumbnails is False


@pytest.mark.parametrize("what", [kept("text/plain"), kept(size=SIZE_MAX + 1)])
async def test_what_is_no_image_or_too_large_is_never_fetched(outside: Outside, what: FileRecord) -> None:
    outside.row = what
    assert await made_of(outside).make(what) is False
    assert (outside.row.thumbnails, outside.renderings) == (False, 0)


@pytest.mark.parametrize(
    "fault", [MESH_BUSY.exception("S3 is away"), RuntimeError("anything"), asyncio.CancelledError()]
)
async def test_any_other_fault_is_not_remembered_as_none(outside: Outside, fault: BaseException) -> None:
    outside.fault = fault
    making = made_of(outside)
    with pytest.raises(type(fault)):
        await making.make(kept())
    assert outside.row is not None
    assert (outside.row.thumbnails, outside.row.thumbnail_tries) == (None, 1)
    outside.fault = None
    with refused("mesh.busy"):  # not at once
        await making.make(kept())
    assert outside.renderings == 1
    outside.time += timedelta(seconds=61)
    assert await making.make(kept()) is True


async def test_an_image_that_is_not_in_the_storage_now(outside: Outside) -> None:
    outside.there = False
    with refused("mesh.busy"):
        await made_of(outside).make(kept())
    assert outside.row is not None
    assert outside.row.thumbnails is None


async def test_what_is_the_storages_fault_counts_for_nothing(outside: Outside) -> None:
    outside.away = "download"
    making = made_of(outside)
    for _ in range(2 * TRIES_MAX):
        assert await making.make_due(outside) == 1
        assert outside.row is not None
        assert (outside.row.thumbnails, outside.row.thumbnail_tries) == (None, 0)
        assert await making.make_due(outside) == 0  # not at once
        outside.time += timedelta(seconds=61)
    outside.away = ""
    assert await making.make_due(outside) == 1
    assert outside.row.thumbnails is True


async def test_for_a_storage_that_takes_nothing_it_is_not_painted_without_end(outside: Outside) -> None:
    outside.away = "put"
    making = made_of(outside)
    for _ in range(2 * TRIES_MAX):
        await making.make_due(outside)
        outside.time += timedelta(hours=1)
    assert outside.renderings == TRIES_MAX
    outside.away = ""
    assert await making.make(kept()) is True


async def test_what_was_counted_for_other_reasons_stays_counted(outside: Outside) -> None:
    making = made_of(outside)
    outside.fault = MESH_BUSY.exception("the worker was killed")
    await making.make_due(outside)
    outside.time += timedelta(seconds=61)
    outside.away = "download"
    await making.make_due(outside)
    assert outside.row is not None
    assert (outside.row.thumbnail_tries, outside.row.thumbnails_after) == (
        1,
        outside.time + timedelta(seconds=60),
    )


async def test_what_was_given_up_stays_so_when_a_try_is_given_back(outside: Outside) -> None:
    outside.row, outside.away = replace(kept(), thumbnail_tries=TRIES_MAX), "download"
    making = made_of(outside)
    for _ in range(3):
        with refused("mesh.busy"):
            await making.make(kept())
        outside.time += timedelta(seconds=61)
        assert await making.make_due(outside) == 0
    outside.away = ""
    assert await making.make(kept()) is True


async def test_what_has_changed_meanwhile_is_not_given_back(outside: Outside) -> None:
    """Another process has begun a try, or made them; or the file was deleted."""
    later = outside.time + timedelta(minutes=4)
    for changed in (
        replace(kept(), thumbnail_tries=2, thumbnails_after=later),
        replace(kept(), thumbnails=True, thumbnail_tries=1),
        replace(kept(), deleted=True),
        None,
    ):
        outside.row, outside.away = kept(), "download"

        def change(changed: FileRecord | None = changed) -> None:
            outside.row = changed

        outside.meanwhile = change
        with refused("mesh.busy"):
            await made_of(outside).make(kept())
        assert outside.row == changed


async def test_it_is_tried_by_itself_less_and_less_often_and_then_when_asked(outside: Outside) -> None:
    outside.fault = MESH_BUSY.exception("the worker was killed")
    making = made_of(outside)
    tries_s = []
    begun = outside.time
    for _ in range(1000):
        before = outside.renderings
        await making.make_due(outside)
        if outside.renderings > before:
            tries_s.append((outside.time - begun).total_seconds())
        outside.time += timedelta(seconds=60)
    assert tries_s == [0, 60, 300, 1260, 4860]

    with refused("mesh.busy"):  # a request has it tried once more
        await making.make(kept())
    assert outside.renderings == 6
    with refused("file.no_thumbnail"):  # until the next try is due
        await making.make(kept())
    assert outside.renderings == 6
    outside.fault = None
    outside.time += timedelta(hours=1)
    assert await making.make(kept()) is True


async def test_a_try_that_its_process_did_not_survive_counts(outside: Outside) -> None:
    """An image that kills processes does so only a few times."""
    outside.fault = asyncio.CancelledError()
    making = made_of(outside)
    task = asyncio.create_task(making.make(kept()))
    await asyncio.gather(task, return_exceptions=True)
    assert outside.row is not None
    assert outside.row.thumbnail_tries == 1


async def test_what_is_begun_waits_for_nothing_and_ends_when_told(outside: Outside) -> None:
    making = made_of(outside)
    making.begin(kept())
    assert outside.renderings == 0
    await until(lambda: outside.row is not None and outside.row.thumbnails is True)
    outside.row = kept()
    making.begin(kept())
    await asyncio.sleep(0)
    await making.close()
    assert not making._tasks


async def test_no_more_than_so_many_are_begun(outside: Outside) -> None:
    making = made_of(outside)
    for number in range(100):
        making.begin(another(number, person=number))
    assert len(making._tasks) == make_thumbnails.BACKGROUND_MAX
    await making.close()


async def test_nobody_has_all_that_are_begun(outside: Outside) -> None:
    making = made_of(outside)
    for number in range(100):
        making.begin(another(number, person=0))
    assert len(making._tasks) == make_thumbnails.BACKGROUND_PROFILE_MAX
    making.begin(another(100, person=1))
    assert UUID(int=100) in making._tasks
    await making.close()
    assert not making._per_profile


async def test_who_asks_for_all_of_his_own_leaves_room_for_others(outside: Outside) -> None:
    making = made_of(outside)
    requests = [asyncio.create_task(making.make(another(number, person=0))) for number in range(100)]
    await asyncio.sleep(0)
    assert len(making._tasks) == make_thumbnails.PROFILE_MAX
    assert await making.make(another(100, person=1)) is True
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    refusals = [outcome for outcome in outcomes if outcome is not True]
    assert len(refusals) == 100 - make_thumbnails.PROFILE_MAX
    assert all("mesh.busy" in str(outcome) for outcome in refusals)


def another(number: int, *, person: int) -> FileRecord:
    """Return a file of this person."""
    return replace(kept(), file=replace(kept().file, id=UUID(int=number), profile_id=UUID(int=person)))


async def test_a_file_that_is_deleted_meanwhile(outside: Outside) -> None:
    task = asyncio.create_task(made_of(outside).make(kept()))
    await until(lambda: outside.renderings == 1)
    outside.row = None
    assert await task is False
    assert outside.objects == {}


async def test_a_try_that_is_done_is_not_joined(outside: Outside) -> None:
    """Other tasks run between the end of a try and its done-callback."""
    making = made_of(outside)
    outside.away = "download"

    async def late() -> bool:
        await asyncio.sleep(0)  # runs right after the last step of the first try
        outside.away, outside.row = "", kept()
        return await making.make(kept())

    first, second = await asyncio.gather(making.make(kept()), late(), return_exceptions=True)
    assert isinstance(first, ServiceError)
    assert second is True
    assert not making._tasks
    assert not making._per_profile
