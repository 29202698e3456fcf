"""What is done with one event, without a broker."""

import asyncio
import time

import msgspec
import pytest

from shared.contracts.errors import MESH_BUSY
from shared.contracts.event import SERVER_DELETED, Event
from shared.contracts.examples import example_of_event
from shared.kit.events import processor
from shared.kit.events.processor import EventProcessor
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.telemetry.log_context import correlation_id_var, operation_var
from tests.unit.kit.dead_letters.test_publisher import Record, Sent
from tests.unit.kit.rpc.calls import SIGNATURES

GOOD = msgspec.json.encode(example_of_event(SERVER_DELETED))


@pytest.fixture
def gone() -> asyncio.Event:
    return asyncio.Event()


def signed(value: bytes | None = GOOD, *headers: tuple[str, bytes], topic: str = "facts") -> Record:
    """A record as the relay writes it."""
    more = SIGNATURES.sign(topic, b"key", value or b"", list(headers))
    return Record(topic=topic, value=value, headers=(*headers, *more))


def work_with(handler: processor.Handler, failures: Sent | None = None) -> EventProcessor:
    work = EventProcessor("auth", failures or Sent(), SIGNATURES)
    work.handlers["facts"] = handler
    return work


async def test_an_event_is_taken_in(gone: asyncio.Event) -> None:
    seen: list[tuple[Event, str | None, str | None]] = []

    async def handler(event: Event) -> None:
        seen.append((event, correlation_id_var.get(), operation_var.get()))

    assert await work_with(handler).work(signed(GOOD, ("correlation_id", b"c-1")), gone)
    ((event, correlation_id, operation),) = seen
    assert (event.type, correlation_id, operation) == ("server.deleted", "c-1", "server.deleted")


async def test_the_id_of_an_earlier_event_does_not_stick(gone: asyncio.Event) -> None:
    seen: list[str | None] = []

    async def handler(event: Event) -> None:
        seen.append(correlation_id_var.get())

    work = work_with(handler)
    await work.work(signed(GOOD, ("correlation_id", b"c-1")), gone)
    await work.work(signed(), gone)
    assert seen == ["c-1", None]


async def test_a_handler_that_hangs_fails(gone: asyncio.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "HANDLER_TIMEOUT_S", 0.01)
    failures = Sent()

    async def handler(event: Event) -> None:
        await asyncio.sleep(60)

    assert await work_with(handler, failures).work(signed(), gone)
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
    work = EventProcessor("auth", Sent(), SIGNATURES)
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
        raise MESH_BUSY.exception("away")

    task = asyncio.create_task(work_with(handler, failures).work(signed(), gone))
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

    assert await work_with(handler, failures).work(signed(), gone) is False
    assert failures.sent == []


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"[]", b'{"id":"x"}'])
async def test_what_can_not_be_read_is_a_dead_letter_at_once(
    value: bytes | None, gone: asyncio.Event
) -> None:
    failures = Sent()

    async def handler(event: Event) -> None:
        raise AssertionError("it can not be read")

    assert await work_with(handler, failures).work(signed(value), gone)
    assert failures.sent[0][0] == "auth.dead-letters"
    assert failures.sent[0][2] == value


async def test_what_this_mesh_did_not_sign_is_a_dead_letter_and_no_handler_sees_it(
    gone: asyncio.Event,
) -> None:
    async def handler(event: Event) -> None:
        raise AssertionError("nobody vouches for it")

    good = signed()
    stranger = RecordSigner("somebody else's secret, as long as ours").sign("facts", b"key", GOOD, [])
    forged = [
        (Record(value=GOOD), "It is not signed."),
        (Record(value=GOOD, headers=(("signature", b"0" * 32),)), "not one of this mesh"),
        (Record(value=GOOD, headers=tuple(stranger)), "not one of this mesh"),
        (Record(value=GOOD + b" ", headers=good.headers), "not one of this mesh"),
        (Record(value=GOOD, key=b"other", headers=good.headers), "not one of this mesh"),
        (Record(value=GOOD, headers=(*good.headers, ("event_id", b"other"))), "not one of this mesh"),
        (Record(value=GOOD, headers=signed(topic="other").headers), "not one of this mesh"),
        (Record(value=GOOD, headers=signed(topic="other and more").headers), "signed for another topic"),
    ]
    for record, reason in forged:
        failures = Sent()
        assert await work_with(handler, failures).work(record, gone)
        ((topic, _, value, headers),) = failures.sent
        assert (topic, value) == ("auth.dead-letters", record.value)
        assert reason in headers["reason"].decode()


async def test_what_waited_to_be_tried_again_is_still_signed(gone: asyncio.Event) -> None:
    seen: list[Event] = []
    failures = Sent()

    async def fail(event: Event) -> None:
        raise RuntimeError("no luck")

    async def handler(event: Event) -> None:
        seen.append(event)

    assert await work_with(fail, failures).work(signed(topic="facts"), gone)
    ((topic, key, value, headers),) = failures.sent
    again = Record(topic, key=key, value=value, headers=tuple(headers.items()))
    assert await work_with(handler).work(again, gone)
    assert len(seen) == 1
    moved = Record(topic, key=key, value=value, headers=(*headers.items(), ("original-topic", b"others")))
    work = work_with(handler, failures)
    work.handlers["others"] = handler
    assert await work.work(moved, gone)
    assert len(seen) == 1, "its signature is for the topic that it came from"
