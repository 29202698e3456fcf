"""Requests: reading their headers never fails, whatever bytes they hold, and returns what was written."""

import time
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from shared.contracts.message import MESSAGE_SEND
from shared.kit.clock import now_ms
from shared.kit.wire import headers as wire
from shared.kit.wire.call import Call, read_call, reply_headers, request_headers
from tests.unit.kit.rpc.calls import call_of

NAMES = st.one_of(
    st.sampled_from(
        [
            wire.CORRELATION_ID,
            wire.CALL_ID,
            wire.REPLY_TO,
            wire.DEADLINE,
            wire.IDEMPOTENCY_KEY,
            wire.TRACEPARENT,
        ]
    ),
    st.text(max_size=20),
)
VALUES = st.one_of(st.binary(max_size=40), st.none(), st.text(max_size=40).map(str.encode))
TIMEOUT_MS = 10_000
DEFAULT_MS = 1_700_000_000_000
"""The deadline of a request without one, as `read` sees it."""


def read(*headers: tuple[str, bytes]) -> Call:
    with patch("shared.kit.wire.call.now_ms", lambda: DEFAULT_MS - TIMEOUT_MS):
        return read_call(MESSAGE_SEND, headers, b"{}", TIMEOUT_MS)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12))
def test_garbage_never_raises_and_can_be_answered(headers: list[tuple[str, bytes]]) -> None:
    call = read(*headers)
    assert call.body == b"{}"
    assert 0 <= call.deadline_ms <= DEFAULT_MS + 60_000
    assert call.reply_to is None or wire.REPLY_TOPIC.fullmatch(call.reply_to)
    assert reply_headers(call, 200)


PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=100)


@given(PRINTABLE, PRINTABLE, st.integers(0, DEFAULT_MS), PRINTABLE | st.none(), PRINTABLE | st.none())
def test_a_call_is_read_as_it_was_written(
    correlation_id: str, call_id: str, deadline_ms: int, key: str | None, traceparent: str | None
) -> None:
    call = call_of(
        MESSAGE_SEND,
        correlation_id=correlation_id,
        call_id=call_id,
        deadline_ms=deadline_ms,
        idempotency_key=key,
        traceparent=traceparent,
        body=b"{}",
    )
    received = read(*request_headers(call, b"gateway.replies.test"))
    assert structs.replace(received, expires_at_s=call.expires_at_s) == call


def deadline(value: bytes) -> int:
    return read((wire.DEADLINE, value)).deadline_ms


def test_a_deadline_is_a_plain_number_that_is_not_too_far() -> None:
    assert deadline(b"0") == 0
    assert deadline(b"%d" % (DEFAULT_MS - 5)) == DEFAULT_MS - 5
    assert deadline(b"%d" % (DEFAULT_MS + 60_000)) == DEFAULT_MS + 60_000
    assert deadline(b"%d" % (DEFAULT_MS + 60_001)) == DEFAULT_MS + 60_000
    assert deadline(b"9" * 15) == DEFAULT_MS + 60_000
    for garbage in (
        b"",
        b"-1",
        b"1.5",
        b" 1",
        b"1e9",
        b"9" * 16,
        b"\xff",
        "٣".encode(),
        "²".encode(),
        b"0x1",
    ):
        assert deadline(garbage) == DEFAULT_MS, garbage


def test_a_deadline_is_read_as_time_of_the_event_loop() -> None:
    earliest_s = time.monotonic()
    for remaining_ms in (-5_000, 0, 7_000):
        call = read((wire.DEADLINE, b"%d" % (DEFAULT_MS - TIMEOUT_MS + remaining_ms)))
        assert earliest_s <= call.expires_at_s - remaining_ms / 1000 <= time.monotonic()
        assert call.remaining_s() == pytest.approx(remaining_ms / 1000, abs=1)
    made_here = call_of(MESSAGE_SEND, deadline_ms=now_ms() + 7_000)
    assert made_here.remaining_s() == pytest.approx(7, abs=1)
    assert structs.replace(made_here, call_id="2").expires_at_s == made_here.expires_at_s


def test_replies_go_to_reply_topics_only() -> None:
    for topic in ("gateway.replies.host-1000-0", "message.replies.a"):
        assert read((wire.REPLY_TO, topic.encode())).reply_to == topic
    for other in (
        "live-events",
        "message.send",
        "x.replies.",
        "a.replies.b/c",
        "gateway.replies.a\n",
        "A.replies.b",
        "",
    ):
        assert read((wire.REPLY_TO, other.encode())).reply_to is None, other
    assert read((wire.REPLY_TO, b"gateway.replies." + b"a" * 181)).reply_to is None


def test_what_is_not_printable_or_too_long_counts_as_absent() -> None:
    call = read((wire.CORRELATION_ID, b"a\nb"), (wire.CALL_ID, b"x" * 1025), (wire.IDEMPOTENCY_KEY, b"\x00"))
    assert (call.correlation_id, call.call_id, call.idempotency_key) == ("", "", None)
    assert read((wire.CALL_ID, b"x" * 1024)).call_id == "x" * 1024


def test_without_a_call_id_the_correlation_id_serves() -> None:
    assert read((wire.CORRELATION_ID, b"c-1")).call_id == "c-1"
