"""What is done with one event, without a broker."""

import asyncio
import time

import msgspec
import pytest

from shared.contracts.errors import MESH_BUSY
from shared.contracts.event import SERVER_DELETED, Event
from shared.contracts.examples import example_of_event
from shared.kit import event_work
from shared.kit.context import correlation_id_var, operation_var
from shared.kit.event_work import EventWork
from tests.unit.kit.test_failures import Record, Sent

GOOD = msgspec.json.encode(example_of_event(SERVER_DELETED))


@pytest.fixture
def gone() -> asyncio.Event:
    return asyncio.Event()


def work_with(handler: event_work.Handler, failures: Sent | None = None) -> EventWork:
    work = EventWork("auth", failures or Sent())
    work.handlers["facts"] = handler
    return work


async def test_an_event_is_taken_in(gone: asyncio.Event) -> None:
    seen: list[tuple[Event, str | None, str | None]] = []

    async def handler(event: Event) -> None:
        seen.append((event, correlation_id_var.get(), operation_var.get()))

    assert await work_with(handler).work(Record(value=GOOD, headers=(("correlation_id", b"c-1"),)), gone)
    ((event, correlation_id, operation),) = seen
    assert (event.type, correlation_id, operation) == ("server.deleted", "c-1", "server.deleted")


async def test_the_id_of_an_earlier_event_does_not_stick(gone: asyncio.Event) -> None:
    seen: list[str | None] = []

    async def handler(event: Event) -> None:
        seen.append(correlation_id_var.get())

    work = work_with(handler)
    await work.work(Record(value=GOOD, headers=(("correlation_id", b"c-1"),)), gone)
    await work.work(Record(value=GOOD), gone)
    assert seen == ["c-1", None]


async def test_a_handler_that_hangs_fails(gone: asyncio.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_work, "HANDLER_TIMEOUT_S", 0.01)
    failures = Sent()

    async def handler(event: Event) -> None:
        await asyncio.sleep(60)

    assert await work_with(handler, failures).work(Record(value=GOOD), gone)
    assert failures.sent[0][0] == "auth.retry.1s"
    assert failures.sent[0][3]["reason"] == b"TimeoutError"


async def test_what_is_not_due_is_given_up_when_the_partition_goes(gone: asyncio.Event) -> None:
    async def handler(event: Event) -> None:
        raise AssertionError("it was not due")

    record = Record(topic="auth.retry.60s", value=GOOD, timestamp=int(time.time() * 1000))
    task = asyncio.create_task(work_with(handler).work(record, gone))
    await asyncio.sleep(0.01)
    assert not task.done()
    gone.set()
    assert await asyncio.wait_for(task, 1) is False


async def test_a_clock_that_runs_ahead_makes_nobody_wait_longer(gone: asyncio.Event) -> None:
    record = Record(topic="auth.retry.60s", value=GOOD, timestamp=int(time.time() * 1000) + 86_400_000)
    work = EventWork("auth", Sent())
    assert 59 < work._remaining_s(record) <= 60
    assert work._remaining_s(Record(value=GOOD, timestamp=record.timestamp)) == 0
    record.timestamp = 0
    assert work._remaining_s(record) < 0


async def test_a_busy_database_is_waited_for_until_the_partition_goes(gone: asyncio.Event) -> None:
    tries = 0
    failures = Sent()

    async def handler(event: Event) -> None:
        nonlocal tries
        tries += 1
        raise MESH_BUSY.error("away")

    task = asyncio.create_task(work_with(handler, failures).work(Record(value=GOOD), gone))
    await asyncio.sleep(0.35)
    assert tries == 2
    gone.set()
    assert await asyncio.wait_for(task, 1) is False
    assert failures.sent == []


async def test_what_failed_after_the_partition_went_is_left_to_others(gone: asyncio.Event) -> None:
    failures = Sent()

    async def handler(event: Event) -> None:
        gone.set()
        raise RuntimeError("no luck")

    assert await work_with(handler, failures).work(Record(value=GOOD), gone) is False
    assert failures.sent == []


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"[]", b'{"id":"x"}'])
async def test_what_can_not_be_read_is_a_dead_letter_at_once(
    value: bytes | None, gone: asyncio.Event
) -> None:
    failures = Sent()

    async def handler(event: Event) -> None:
        raise AssertionError("it can not be read")

    assert await work_with(handler, failures).work(Record(value=value), gone)
    assert failures.sent[0][0] == "auth.dead-letters"
    assert failures.sent[0][2] == value
