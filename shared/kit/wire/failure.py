"""Headers of a record that failed: its origin, the number of attempts, the reason."""

import traceback
from collections.abc import Iterable
from pathlib import PurePath

from aiokafka import ConsumerRecord
from msgspec import Struct

from shared.kit.telemetry.redaction import redact
from shared.kit.wire.headers import Headers, header_text

ORIGINAL_TOPIC = "original-topic"
ORIGINAL_PARTITION = "original-partition"
ORIGINAL_OFFSET = "original-offset"
ATTEMPT = "attempt"
REASON = "reason"
TRACE = "trace"
DEAD_LETTER = "dead-letter"
"""On a redriven record: the id of the dead letter."""
TRUNCATED = "truncated"
"""On a record whose value was too large to be copied: its size in bytes."""
FAILURE_HEADERS = (
    *(ORIGINAL_TOPIC, ORIGINAL_PARTITION, ORIGINAL_OFFSET),
    *(ATTEMPT, REASON, TRACE, DEAD_LETTER, TRUNCATED),
)

_REASON_MAX_CHARS = 300


class Origin(Struct, frozen=True):
    """The topic, partition and offset at which a record was first read, and its attempts so far."""

    topic: str
    partition: int
    offset: int
    attempt: int = 0


class Failure(Struct, frozen=True):
    """The reason why a record was not processed; `retryable` unless no further attempt can succeed."""

    reason: str
    trace: str = ""
    retryable: bool = True

    @classmethod
    def of(cls, error: BaseException, *, retryable: bool = True) -> "Failure":
        """Describe an exception: its class, its text with secrets redacted, and our line that raised it."""
        text = redact(str(error))[:_REASON_MAX_CHARS]
        return cls(f"{type(error).__name__}: {text}".rstrip(": "), _line_of(error), retryable)


def origin_of(record: ConsumerRecord) -> Origin:
    """Return the origin in the headers of a record that failed before, otherwise its own position."""
    texts = {
        name: text
        for name, value in record.headers
        if (text := header_text(value)) and name in FAILURE_HEADERS
    }
    own = Origin(record.topic, record.partition, record.offset)
    if ORIGINAL_TOPIC not in texts:
        return own
    partition, offset, attempt = (
        _number(texts.get(name)) for name in (ORIGINAL_PARTITION, ORIGINAL_OFFSET, ATTEMPT)
    )
    return Origin(texts[ORIGINAL_TOPIC], partition, offset, attempt)


def redriven(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """Return the headers of a dead letter to be tried again: with its origin, without its attempts."""
    remaining = [pair for pair in headers if pair[0] not in (ATTEMPT, REASON, TRACE, DEAD_LETTER)]
    return [*remaining, (ATTEMPT, b"0")]


def foreign_headers(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """Return the headers that a record had before it failed, with the id of a redriven dead letter."""
    own = [name for name in FAILURE_HEADERS if name != DEAD_LETTER]
    return [(name, value) for name, value in headers if name not in own]


def failure_headers(origin: Origin, attempt: int, failure: Failure) -> Headers:
    """Return the headers of a record that failed for the `attempt`th time."""
    texts = {
        ORIGINAL_TOPIC: origin.topic,
        ORIGINAL_PARTITION: str(origin.partition),
        ORIGINAL_OFFSET: str(origin.offset),
        ATTEMPT: str(attempt),
        REASON: failure.reason,
        TRACE: failure.trace,
    }
    return [(name, text.encode(errors="replace")) for name, text in texts.items()]


def _line_of(error: BaseException) -> str:
    """Return the innermost line of our own code, such as `apps/message/inbound/kafka.py:41 in take_in`."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if {"apps", "shared"} & set(PurePath(frame.filename).parts)]
    if not (ours or frames):
        return ""
    frame = (ours or frames)[-1]
    parts = PurePath(frame.filename).parts
    starts = [index for index, part in enumerate(parts) if part in ("apps", "shared")]
    return f"{'/'.join(parts[starts[-1] if starts else -3 :])}:{frame.lineno} in {frame.name}"


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 18 else 0
