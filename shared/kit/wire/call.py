"""A call as it is written to Kafka: the envelope of a request, and the headers of requests and replies."""

import time
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import force_setattr

from shared.contracts.base import Answer
from shared.contracts.errors import MESH_TIMEOUT, ServiceError
from shared.contracts.operation import Operation
from shared.kit.clock import now_ms
from shared.kit.wire.headers import (
    CALL_ID,
    CORRELATION_ID,
    DEADLINE,
    ERROR,
    IDEMPOTENCY_KEY,
    REPLY_KEY,
    REPLY_TO,
    REPLY_TOPIC,
    STATUS,
    TRACEPARENT,
    Headers,
    header_text,
)

_LATER_DEADLINE_MAX_MS = 60_000


class Call(Struct, frozen=True, kw_only=True):
    """The envelope of a request: everything that travels with it besides its body."""

    operation: Operation
    correlation_id: str
    """Identifies the request in logs. The client may choose it, so it need not be unique."""
    call_id: str
    """Unique for each call: it matches the reply to the request and identifies a redelivery."""
    deadline_ms: int
    """Milliseconds since the epoch, as written in the header; after it nobody waits for the reply."""
    expires_at_s: float = 0.0
    """The deadline as event loop time (`time.monotonic`); computed once if it is not given."""
    idempotency_key: str | None = None
    traceparent: str | None = None
    reply_to: str | None = None
    reply_key: str | None = None
    """The public key to which the answer's secrets are sealed: X25519, base64url."""
    body: bytes = b""
    """The request as written to Kafka, with its secrets redacted."""

    def __post_init__(self) -> None:
        if not self.expires_at_s:
            force_setattr(self, "expires_at_s", time.monotonic() + (self.deadline_ms - now_ms()) / 1000)

    def remaining_s(self) -> float:
        """Return the seconds until the deadline, negative after it."""
        return self.expires_at_s - time.monotonic()

    def expired(self) -> ServiceError:
        """Return the error of a call whose deadline has passed."""
        return MESH_TIMEOUT.exception(f"The deadline of {self.operation.name} passed before it was done.")


class Reply(Struct):
    """An answer with another status than the operation's, or whose body is encoded already."""

    status: int
    body: Answer | bytes | None = None


def request_headers(call: Call, reply_to: bytes) -> Headers:
    """Return the headers of a request record."""
    headers = [
        (CORRELATION_ID, call.correlation_id.encode()),
        (CALL_ID, call.call_id.encode()),
        (REPLY_TO, reply_to),
        (DEADLINE, str(call.deadline_ms).encode()),
    ]
    if call.idempotency_key is not None:
        headers.append((IDEMPOTENCY_KEY, call.idempotency_key.encode()))
    if call.traceparent is not None:
        headers.append((TRACEPARENT, call.traceparent.encode()))
    if call.reply_key is not None:
        headers.append((REPLY_KEY, call.reply_key.encode()))
    return headers


def reply_headers(call: Call, status: int, error: str | None = None) -> Headers:
    """Return the headers of a reply record; `error` is the error code of a reply that is an error."""
    headers = [
        (CORRELATION_ID, call.correlation_id.encode()),
        (CALL_ID, call.call_id.encode()),
        (STATUS, b"%d" % status),
    ]
    if error is not None:
        headers.append((ERROR, error.encode()))
    return headers


def read_call(
    operation: Operation, headers: Iterable[tuple[str, bytes]], body: bytes, default_timeout_ms: int
) -> Call:
    """Read the headers of a request; a value that is not valid counts as absent.

    A deadline may be at most a minute later than the default, so that queues stay bounded in time.
    """
    texts = {name: text for name, value in headers if (text := header_text(value)) is not None}
    correlation_id = texts.get(CORRELATION_ID, "")
    reply_to = texts.get(REPLY_TO)
    time_ms, time_s = now_ms(), time.monotonic()
    deadline_ms = _deadline_ms(texts.get(DEADLINE), time_ms + default_timeout_ms)
    return Call(
        operation=operation,
        correlation_id=correlation_id,
        call_id=texts.get(CALL_ID) or correlation_id,
        deadline_ms=deadline_ms,
        expires_at_s=time_s + (deadline_ms - time_ms) / 1000,
        idempotency_key=texts.get(IDEMPOTENCY_KEY),
        traceparent=texts.get(TRACEPARENT),
        reply_to=reply_to if reply_to and REPLY_TOPIC.fullmatch(reply_to) else None,
        reply_key=texts.get(REPLY_KEY),
        body=body,
    )


def _deadline_ms(text: str | None, default_ms: int) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return default_ms
    return min(int(text), default_ms + _LATER_DEADLINE_MAX_MS)
