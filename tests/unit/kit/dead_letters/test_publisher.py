"""Failed records: their headers and the topic that they go to next."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.wire.failure import FAILURE_HEADERS, Failure, Origin, origin_of, redriven


@dataclass
class Record:
    """The fields of a Kafka record that are read."""

    topic: str = "facts"
    partition: int = 3
    offset: int = 1815
    key: bytes | None = b"key"
    value: bytes | None = b"{}"
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = field(default_factory=tuple)


class Sent(DeadLetterPublisher):
    """Records what would be sent."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__("auth", {})
        self.errors = list(errors)
        self.sent: list[tuple[str, bytes | None, bytes | None, dict[str, bytes]]] = []

    async def _send(self, topic: str, key: bytes | None, value: bytes | None, headers: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        assert len(dict(headers)) == len(headers)
        self.sent.append((topic, key, value, dict(headers)))


def test_a_record_that_never_failed_is_its_own_origin() -> None:
    assert origin_of(Record()) == Origin("facts", 3, 1815, 0)


def test_an_origin_is_read_back() -> None:
    headers = (
        ("original-topic", b"facts"),
        ("original-partition", b"3"),
        ("original-offset", b"9"),
        ("attempt", b"2"),
    )
    assert origin_of(Record(topic="auth.retry.1s", headers=headers)) == Origin("facts", 3, 9, 2)


@given(
    st.lists(st.tuples(st.sampled_from(FAILURE_HEADERS) | st.text(), st.binary() | st.text().map(str.encode)))
)
def test_any_headers_give_an_origin(headers: list[tuple[str, bytes]]) -> None:
    origin = origin_of(Record(headers=tuple(headers)))
    assert origin.attempt >= 0
    assert origin.offset >= 0
    assert origin.topic


@pytest.mark.parametrize(
    ("attempt", "topic"),
    [
        (0, "auth.retry.1s"),
        (1, "auth.retry.10s"),
        (2, "auth.retry.60s"),
        (3, "auth.dead-letters"),
        (9, "auth.dead-letters"),
    ],
)
async def test_each_failure_waits_longer_and_then_it_is_over(attempt: int, topic: str) -> None:
    failures = Sent()
    origin = Origin("facts", 3, 9, attempt)
    await failures.publish(
        Record(headers=(("event_id", b"e"), ("attempt", b"old"))), origin, Failure("why", "where")
    )
    ((to, key, value, headers),) = failures.sent
    assert (to, key, value) == (topic, b"key", b"{}")
    assert headers == {
        "event_id": b"e",
        "original-topic": b"facts",
        "original-partition": b"3",
        "original-offset": b"9",
        "attempt": str(attempt + 1).encode(),
        "reason": b"why",
        "trace": b"where",
    }


async def test_a_failure_that_is_not_retryable_is_a_dead_letter_at_once() -> None:
    failures = Sent()
    await failures.publish(Record(), origin_of(Record()), Failure("no JSON", retryable=False))
    assert failures.sent[0][0] == "auth.dead-letters"


async def test_a_record_that_its_headers_make_too_large_goes_without_its_value() -> None:
    failures = Sent(MessageSizeTooLargeError())
    await failures.publish(Record(), origin_of(Record()), Failure("why"))
    ((to, key, value, headers),) = failures.sent
    assert (to, key, value) == ("auth.dead-letters", b"key", None)
    assert headers["original-offset"] == b"1815"
    assert headers["truncated"] == b"2"


async def test_a_foreign_truncated_header_is_dropped() -> None:
    failures = Sent()
    await failures.publish(Record(headers=(("truncated", b"9"),)), origin_of(Record()), Failure("why"))
    assert "truncated" not in failures.sent[0][3]


async def test_a_record_with_neither_key_nor_value_can_be_published(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, bytes | None, bytes | None]] = []

    class Strict:
        """As aiokafka's producer."""

        async def send_and_wait(self, topic: str, value: bytes | None, *, key: Any, headers: Any) -> None:
            assert not (value is None and key is None)
            sent.append((topic, key, value))

    async def started(self: DeadLetterPublisher) -> Strict:
        return Strict()

    monkeypatch.setattr(DeadLetterPublisher, "_started", started)
    for key, value in ((None, None), (b"k", None), (None, b"v")):
        await DeadLetterPublisher("auth", {}).publish(
            Record(key=key, value=value), origin_of(Record()), Failure("why")
        )
    assert sent == [
        ("auth.retry.1s", None, b""),
        ("auth.retry.1s", b"k", None),
        ("auth.retry.1s", None, b"v"),
    ]


async def test_an_unavailable_broker_raises() -> None:
    with pytest.raises(KafkaConnectionError):
        await Sent(KafkaConnectionError()).publish(Record(), origin_of(Record()), Failure("why"))


def test_a_failure_has_no_secret_is_short_and_names_the_line() -> None:
    def fail() -> None:
        raise ValueError("no luck with password=hunter2 " + "x" * 5_000)

    try:
        fail()
    except ValueError as error:
        failure = Failure.of(error)
    assert failure.reason.startswith("ValueError: no luck with password=*** xxx")
    assert len(failure.reason) < 400
    assert "test_publisher.py" in failure.trace
    assert failure.trace.endswith(" in fail")
    assert not failure.trace.startswith("/")


def test_a_text_that_cannot_be_encoded_is_still_a_reason() -> None:
    headers = dict(
        redriven([("attempt", b"4"), ("reason", b"x"), ("trace", b"y"), ("original-topic", b"facts")])
    )
    assert headers == {"original-topic": b"facts", "attempt": b"0"}
    assert Failure.of(ValueError("\ud800")).reason == "ValueError: \ud800"
