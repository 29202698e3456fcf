"""Processing of one event, without a broker."""

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
def revoked() -> asyncio.Event:
    return asyncio.Event()


def signed(value: bytes | None = GOOD, *headers: tuple[str, bytes], topic: str = "facts") -> Record:
    """Return a record as the relay writes it."""
    more = SIGNATURES.sign(topic, b"key", value or b"", list(headers))
    return Record(topic=topic, value=value, headers=(*headers, *more))


def processor_with(handler: processor.Handler, failures: Sent | None = None) -> EventProcessor:
    made = EventProcessor("auth", failures or Sent(), SIGNATURES)
    made.handlers["facts"] = handler
    return made


async def test_an_event_is_handled(revoked: asyncio.Event) -> None:
    seen: list[tuple[Event, str | None, str | None]] = []

    async def handler(event: Event) -> None:
        seen.append((event, correlation_id_var.get(), operation_var.get()))

    assert await processor_with(handler).process(signed(GOOD, ("correlation_id", b"c-1")), revoked)
    ((event, correlation_id, operation),) = seen
    assert (event.type, correlation_id, operation) == ("server.deleted", "c-1", "server.deleted")


async def test_the_id_of_an_earlier_event_does_not_stick(revoked: asyncio.Event) -> None:
    seen: list[str | None] = []

    async def handler(event: Event) -> None:
        seen.append(correlation_id_var.get())

    made = processor_with(handler)
    await made.process(signed(GOOD, ("correlation_id", b"c-1")), revoked)
    await made.process(signed(), revoked)
    assert seen == ["c-1", None]


async def test_a_handler_that_hangs_fails(revoked: asyncio.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "HANDLER_TIMEOUT_S", 0.01)
    failures = Sent()

    async def handler(event: Event) -> None:
        await asyncio.sleep(60)

    assert await processor_with(handler, failures).process(signed(), revoked)
    assert failures.sent[0][0] == "auth.retry.1s"
    assert failures.sent[0][3]["reason"] == b"TimeoutError"


async def test_a_record_not_yet_due_is_given_up_when_its_partition_is_revoked(revoked: asyncio.Event) -> None:
    async def handler(event: Event) -> None:
        raise AssertionError("it was not due")

    record = Record(topic="auth.retry.60s", value=GOOD, timestamp=int(time.time() * 1000))
    task = asyncio.create_task(processor_with(handler).process(record, revoked))
    await asyncio.sleep(0.01)
    assert not task.done()
    revoked.set()
    assert await asyncio.wait_for(task, 1) is False


async def test_a_clock_that_runs_ahead_makes_nobody_wait_longer(revoked: asyncio.Event) -> None:
    record = Record(topic="auth.retry.60s", value=GOOD, timestamp=int(time.time() * 1000) + 86_400_000)
    made = EventProcessor("auth", Sent(), SIGNATURES)
    assert 59 < made._remaining_s(record) <= 60
    assert made._remaining_s(Record(value=GOOD, timestamp=record.timestamp)) == 0
    record.timestamp = 0
    assert made._remaining_s(record) < 0


async def test_a_busy_database_is_retried_until_the_partition_is_revoked(revoked: asyncio.Event) -> None:
    attempts = 0
    failures = Sent()

    async def handler(event: Event) -> None:
        nonlocal attempts
        attempts += 1
        raise MESH_BUSY.exception("away")

    task = asyncio.create_task(processor_with(handler, failures).process(signed(), revoked))
    await asyncio.sleep(0.35)
    assert attempts == 2
    revoked.set()
    assert await asyncio.wait_for(task, 1) is False
    assert failures.sent == []


async def test_a_failure_after_the_revocation_is_left_to_others(revoked: asyncio.Event) -> None:
    failures = Sent()

    async def handler(event: Event) -> None:
        revoked.set()
        raise RuntimeError("no luck")

    assert await processor_with(handler, failures).process(signed(), revoked) is False
    assert failures.sent == []


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"[]", b'{"id":"x"}'])
async def test_an_unreadable_record_is_a_dead_letter_at_once(
    value: bytes | None, revoked: asyncio.Event
) -> None:
    failures = Sent()

    async def handler(event: Event) -> None:
        raise AssertionError("it can not be read")

    assert await processor_with(handler, failures).process(signed(value), revoked)
    assert failures.sent[0][0] == "auth.dead-letters"
    assert failures.sent[0][2] == value


async def test_a_record_without_our_signature_is_a_dead_letter_and_reaches_no_handler(
    revoked: asyncio.Event,
) -> None:
    async def handler(event: Event) -> None:
        raise AssertionError("it is not signed")

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
        assert await processor_with(handler, failures).process(record, revoked)
        ((topic, _, value, headers),) = failures.sent
        assert (topic, value) == ("auth.dead-letters", record.value)
        assert reason in headers["reason"].decode()


async def test_a_record_of_a_retry_topic_is_still_signed(revoked: asyncio.Event) -> None:
    seen: list[Event] = []
    failures = Sent()

    async def fail(event: Event) -> None:
        raise RuntimeError("no luck")

    async def handler(event: Event) -> None:
        seen.append(event)

    assert await processor_with(fail, failures).process(signed(topic="facts"), revoked)
    ((topic, key, value, headers),) = failures.sent
    again = Record(topic, key=key, value=value, headers=tuple(headers.items()))
    assert await processor_with(handler).process(again, revoked)
    assert len(seen) == 1
    moved = Record(topic, key=key, value=value, headers=(*headers.items(), ("original-topic", b"others")))
    made = processor_with(handler, failures)
    made.handlers["others"] = handler
    assert await made.process(moved, revoked)
    assert len(seen) == 1, "its signature is for the topic that it came from"
