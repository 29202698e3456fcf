"""Dispatching: every record is acknowledged exactly once and every caller has a reply."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from shared.contracts.catalogue import operations_of
from shared.contracts.errors import ServiceError
from shared.contracts.message import MESSAGE_EDIT, MESSAGE_HISTORY, MESSAGE_SEND
from shared.kit.clock import now_ms
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.dispatcher import REQUEST_MAX_BYTES, Dispatcher
from shared.kit.rpc.handlers import BatchHandler, HandlerRegistry, Received, Result
from shared.kit.rpc.responder import Responder
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.telemetry.log_context import correlation_id_var, traceparent_var
from shared.kit.telemetry.metrics import refused
from shared.kit.wire.call import Call, Reply, request_headers
from shared.kit.wire.headers import SIGNATURE
from tests.unit.kit.rpc.calls import NOBODY, SECRET, SIGNATURES, Outbox, call_of

Handler = Callable[[Any, Call], Awaitable[Reply]]


class Sent(Struct):
    """A record as the consumer passes it."""

    topic: str
    value: bytes | None
    key: bytes | None = b"k"
    headers: Sequence[tuple[str, bytes]] = ()


class Desk:
    """A dispatcher whose replies are written at once, and the outcome of each record."""

    def __init__(
        self,
        handler: Handler | None = None,
        many_handler: BatchHandler | None = None,
        *,
        per_key_max: int = 10,
        in_flight_max: int = 100,
    ) -> None:
        self.outbox = Outbox()
        self.finished: Counter[int] = Counter()
        self.dead_letter: list[tuple[Any, str]] = []
        self.taken = 0
        handlers = HandlerRegistry("message")
        for operation in operations_of("message"):
            if not operation.many:
                handlers.register(operation, handler or _fine)
        handlers.register_batch(MESSAGE_SEND, many_handler or _all_fine)
        self.dispatcher = Dispatcher(
            handlers,
            Responder(cast(Producer, self.outbox), SIGNATURES, FieldEncryption()),
            SIGNATURES,
            FieldEncryption(),
            self._dead_letter,
            per_key_max=per_key_max,
            in_flight_max=in_flight_max,
            batch_max=10,
            timeout_ms=10_000,
        )

    async def _dead_letter(self, record: Any, error: ServiceError) -> None:
        self.dead_letter.append((record, error.code.name))

    def take(self, record: Sent) -> None:
        number, self.taken = self.taken, self.taken + 1
        self.dispatcher.dispatch(record, lambda: self.finished.update([number]))

    async def settled(self) -> list[tuple[int, str | None]]:
        """Wait until all are acknowledged; return status and code of each reply."""
        async with asyncio.timeout(5):
            while len(self.finished) < self.taken:
                await asyncio.sleep(0)
                self.outbox.settle()
                for _, _, record in self.outbox.sent:
                    record.on_delivery = None
        assert self.finished == Counter(range(self.taken))
        return [(status, code) for status, code, _ in self.outbox.replies()]


async def _fine(request: Any, call: Call) -> Reply:
    return Reply(200, b"{}")


async def _all_fine(asked: Sequence[Received[Any]]) -> Sequence[Result]:
    return [Reply(201, b"{}") for _ in asked]


def request(topic: str = MESSAGE_SEND.name, key: bytes = b"k", **changes: Any) -> Sent:
    body = {"channelId": NOBODY, "profileId": NOBODY, "messageId": NOBODY, "content": "hello"}
    call = call_of(MESSAGE_SEND, **changes)
    headers = request_headers(call, b"gateway.replies.test")
    return signed(Sent(topic, msgspec.json.encode(body), key, headers))


def expired(topic: str) -> float:
    """Return how many requests of a topic were dropped because their deadlines had passed."""
    return refused.labels(topic, "expired")._value.get()


def signed(record: Sent) -> Sent:
    """Return the record with a valid signature."""
    headers = [pair for pair in record.headers if pair[0] != SIGNATURE]
    headers.append(SIGNATURES.signature(record.topic, record.key, record.value or b"", headers))
    return Sent(record.topic, record.value, record.key, headers)


async def test_good_requests_are_answered_one_by_one_and_together() -> None:
    desk = Desk()
    for topic in (MESSAGE_EDIT.name, MESSAGE_SEND.name, MESSAGE_HISTORY.name):
        desk.take(request(topic))
    assert sorted(await desk.settled()) == [(200, None), (200, None), (201, None)]


async def test_each_request_is_answered_in_its_own_trace() -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def note(request: Any, call: Call) -> Reply:
        seen.append((correlation_id_var.get(), traceparent_var.get()))
        return Reply(200, b"{}")

    desk = Desk(note)
    for name, trace in (("a", "00-1-2-01"), ("b", None), ("c", "00-3-4-01")):
        desk.take(request(MESSAGE_EDIT.name, correlation_id=name, traceparent=trace))
    await desk.settled()
    assert seen == [("a", "00-1-2-01"), ("b", None), ("c", "00-3-4-01")]


async def test_bad_bodies_are_typed_errors() -> None:
    desk = Desk()
    good = request()
    for body in (b"", None, b"{", b"\xff", b"[1]", b"null", b"[" * 100_000, b'{"content": 1}', b'"\\ud800"'):
        desk.take(signed(Sent(good.topic, body, good.key, good.headers)))
    codes = {code for _, code in await desk.settled()}
    assert codes == {"body.malformed", "validation.failed"}


async def test_a_body_that_is_too_large_is_refused() -> None:
    desk = Desk()
    good = request()
    desk.take(signed(Sent(good.topic, b" " * (REQUEST_MAX_BYTES + 1), good.key, good.headers)))
    assert await desk.settled() == [(413, "body.too_large")]


async def test_bad_requests_of_nobody_are_put_away() -> None:
    desk = Desk()
    for _ in range(3):
        desk.take(signed(Sent(MESSAGE_SEND.name, b"\x00garbage")))
    assert await desk.settled() == []
    assert [code for _, code in desk.dead_letter] == ["body.malformed"] * 3


async def test_what_can_not_be_put_away_is_finished_all_the_same() -> None:
    """Tried once for each, and the next one's turn comes."""
    desk = Desk()
    tried: list[bytes | None] = []

    async def away(record: Any, error: ServiceError) -> None:
        tried.append(record.value)
        raise ConnectionError

    desk.dispatcher._dead_letter = away
    for body in (b"\x00one", b"\x00two"):
        desk.take(signed(Sent(MESSAGE_SEND.name, body)))
    desk.take(request(MESSAGE_EDIT.name))
    assert await desk.settled() == [(200, None)]
    assert tried == [b"\x00one", b"\x00two"]


async def test_an_expired_request_is_dropped() -> None:
    """It is counted, and neither carried out nor answered: nobody waits for it any more."""
    handled: list[str] = []

    async def note(asked: Any, call: Call) -> Reply:
        handled.append(call.correlation_id)
        return Reply(200, b"")

    async def note_all(asked: Sequence[Received[Any]]) -> Sequence[Result]:
        handled.extend(each.call.correlation_id for each in asked)
        return await _all_fine(asked)

    desk = Desk(note, note_all)
    for topic in (MESSAGE_EDIT.name, MESSAGE_SEND.name):
        before = expired(topic)
        desk.take(request(topic, deadline_ms=now_ms() - 1, correlation_id="late"))
        assert expired(topic) == before + 1
        desk.take(request(topic, correlation_id="in time"))
        assert expired(topic) == before + 1
    assert sorted(await desk.settled()) == [(200, None), (201, None)]
    assert handled == ["in time", "in time"]


async def test_a_full_lane_is_busy_and_stops_nobody_else() -> None:
    release = asyncio.Event()

    async def wait_for_it(asked: Any, call: Call) -> Reply:
        if call.correlation_id == "slow":
            await release.wait()
        return Reply(200, b"")

    desk = Desk(wait_for_it, per_key_max=2)
    for _ in range(4):
        desk.take(request(MESSAGE_EDIT.name, b"slow", correlation_id="slow"))
    desk.take(request(MESSAGE_EDIT.name, b"quick"))
    await asyncio.sleep(0.01)
    assert desk.outbox.replies()[0][:2] == (503, "mesh.busy")
    assert [status for status, _, _ in desk.outbox.replies()] == [503, 503, 200]
    release.set()
    assert len(await desk.settled()) == 5


async def test_too_many_in_flight_are_busy() -> None:
    desk = Desk(in_flight_max=3)
    for number in range(5):
        desk.take(request(MESSAGE_EDIT.name, b"%d" % number))
        desk.take(request(MESSAGE_SEND.name))
    statuses = Counter(status for status, _ in await desk.settled())
    assert statuses == {200: 3, 201: 3, 503: 4}


async def test_reads_of_one_key_run_side_by_side_and_writes_in_order() -> None:
    running = 0
    most = {MESSAGE_HISTORY.name: 0, MESSAGE_EDIT.name: 0}

    async def count(asked: Any, call: Call) -> Reply:
        nonlocal running
        running += 1
        most[call.operation.name] = max(most[call.operation.name], running)
        await asyncio.sleep(0.01)
        running -= 1
        return Reply(200, b"")

    for topic in most:
        desk = Desk(count)
        for number in range(5):
            desk.take(request(topic, call_id=str(number)))
        await desk.settled()
    assert most == {MESSAGE_HISTORY.name: 5, MESSAGE_EDIT.name: 1}


async def _in_time(work: Handler, **changes: Any) -> list[tuple[int, str | None]]:
    desk = Desk(work)
    desk.take(request(MESSAGE_EDIT.name, **changes))
    return await desk.settled()


async def test_a_handler_may_fail_in_every_way() -> None:
    async def hang(asked: Any, call: Call) -> Reply:
        await asyncio.sleep(60)
        return Reply(200)

    async def broken(asked: Any, call: Call) -> Reply:
        raise ZeroDivisionError

    async def cancelled(asked: Any, call: Call) -> Reply:
        raise asyncio.CancelledError

    async def wrong(asked: Any, call: Call) -> Reply:
        return cast(Reply, object())

    assert await _in_time(hang, deadline_ms=now_ms() + 50) == [(504, "mesh.timeout")]
    for handler in (broken, cancelled, wrong):
        assert await _in_time(handler) == [(500, "internal.error")]


async def test_a_fault_of_our_own_while_taking_is_answered() -> None:
    desk = Desk()
    desk.dispatcher._handlers.single.clear()
    desk.take(request(MESSAGE_EDIT.name))
    assert await desk.settled() == [(500, "internal.error")]


def forgeries() -> dict[str, Sent]:
    """A good request, and what strangers make of it."""
    good = request()
    theirs = RecordSigner("somebody else's secret, as long as ours")
    bare = [pair for pair in good.headers if pair[0] != SIGNATURE]
    body = good.value or b""
    return {
        "no signature": Sent(good.topic, good.value, good.key, bare),
        "an empty one": Sent(good.topic, good.value, good.key, [*bare, (SIGNATURE, b"")]),
        "noise": Sent(good.topic, good.value, good.key, [*bare, (SIGNATURE, b"\xff" * 32)]),
        "another secret": Sent(
            good.topic, good.value, good.key, [*bare, theirs.signature(good.topic, good.key, body, bare)]
        ),
        "another body": Sent(good.topic, body.replace(b"hello", b"hullo"), good.key, good.headers),
        "another key": Sent(good.topic, good.value, b"l", good.headers),
        "another topic": Sent(MESSAGE_EDIT.name, good.value, good.key, good.headers),
        "a header more": Sent(good.topic, good.value, good.key, [*good.headers, ("idempotency_key", b"x")]),
        "a header twice": Sent(good.topic, good.value, good.key, [*good.headers, ("call_id", b"2")]),
        "a header less": Sent(
            good.topic, good.value, good.key, [pair for pair in good.headers if pair[0] != "deadline"]
        ),
        "a header without a value": Sent(
            good.topic, good.value, good.key, [*good.headers, ("other", cast(bytes, None))]
        ),
        "another reply topic": Sent(
            good.topic,
            good.value,
            good.key,
            [(name, b"gateway.replies.eve" if name == "reply_to" else value) for name, value in good.headers],
        ),
        "a later deadline": Sent(
            good.topic,
            good.value,
            good.key,
            [(n, b"%d" % (now_ms() + 60_000) if n == "deadline" else v) for n, v in good.headers],
        ),
    }


@pytest.mark.parametrize("name", forgeries())
async def test_what_this_mesh_did_not_sign_is_told_so_and_not_done(name: str) -> None:
    handled: list[Any] = []

    async def note(asked: Any, call: Call) -> Reply:
        handled.append(asked)
        return Reply(200, b"")

    desk = Desk(note)
    desk.dispatcher._batchers.clear()
    desk.dispatcher._handlers.single[MESSAGE_SEND.name] = note
    desk.take(forgeries()[name])
    assert await desk.settled() == [(403, "signature.invalid")]
    assert handled == []
    reply = desk.outbox.sent[0][2]
    assert SIGNATURE not in dict(reply.headers), "a stranger must not end the call of another caller"


async def test_what_is_signed_with_the_second_secret_is_done_as_well() -> None:
    theirs = RecordSigner("somebody else's secret, as long as ours")
    good = request()
    bare = [pair for pair in good.headers if pair[0] != SIGNATURE]
    record = Sent(good.topic, good.value, good.key, bare)
    record.headers = [*bare, theirs.signature(good.topic, good.key, good.value or b"", bare)]
    desk = Desk()
    desk.dispatcher._signer = RecordSigner(SECRET, "somebody else's secret, as long as ours")
    desk.take(record)
    desk.take(good)
    assert await desk.settled() == [(201, None)] * 2


RECORDS = st.builds(
    Sent,
    st.sampled_from([operation.name for operation in operations_of("message")]),
    st.none() | st.binary(max_size=60) | st.just(request().value),
    st.none() | st.binary(max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(["correlation_id", "call_id", "deadline", "reply_to", "other"]),
            st.binary(max_size=12) | st.just(b"gateway.replies.test"),
        ),
        max_size=6,
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS | RECORDS.map(signed), max_size=20))
def test_any_record_is_finished_exactly_once(records: list[Sent]) -> None:
    async def run() -> None:
        desk = Desk(per_key_max=1, in_flight_max=4)
        for record in records:
            desk.take(record)
        await desk.settled()

    asyncio.run(run())
