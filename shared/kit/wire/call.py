"""What stands in the headers of a record: the names, and how they are read and written."""

import re
from collections.abc import Iterable

from msgspec import Struct

from shared.contracts.base import Answer
from shared.contracts.errors import MESH_TIMEOUT, ServiceError
from shared.contracts.operation import Operation
from shared.kit.clock import now_ms

Headers = list[tuple[str, bytes]]
"""A list, because aiokafka's batch builder takes nothing else."""

CORRELATION_ID = "correlation_id"
CALL_ID = "call_id"
REPLY_TO = "reply_to"
DEADLINE = "deadline"
IDEMPOTENCY_KEY = "idempotency_key"
TRACEPARENT = "traceparent"
STATUS = "status"
ERROR = "error"
SIGNATURE = "signature"
TOPICS = "topics"
REPLY_KEY = "reply_key"

REPLY_TOPIC = re.compile(r"[a-z-]+\.replies\.[A-Za-z0-9._-]{1,180}")
"""Nobody can make a service write its replies into a topic that is not a reply topic."""

_TEXT_MAX_CHARS = 1024


class Call(Struct, frozen=True, kw_only=True):
    """What travels with a request beside its body."""

    operation: Operation
    correlation_id: str
    """What logs and callers know; the caller may choose it, so it need not be unique."""
    call_id: str
    """Unique for each call: replies are matched by it, a redelivery is recognised by it."""
    deadline_ms: int
    """Milliseconds since the epoch; nobody waits for the answer any longer."""
    idempotency_key: str | None = None
    traceparent: str | None = None
    reply_to: str | None = None
    reply_key: str | None = None
    """The public key that secrets of the answer are sealed to: X25519, in base64 for URLs."""
    body: bytes = b""
    """The request as it stands in Kafka, but for its secrets, which are left out."""

    def remaining_s(self) -> float:
        """Seconds until the deadline, negative past it."""
        return (self.deadline_ms - now_ms()) / 1000

    def expired(self) -> ServiceError:
        """The error of a call whose time is over."""
        return MESH_TIMEOUT.exception(f"The deadline of {self.operation.name} passed before it was done.")


class Reply(Struct):
    """An answer whose status is not the operation's, or whose bytes are ready."""

    status: int
    body: Answer | bytes | None = None


def request_headers(call: Call, reply_to: bytes) -> Headers:
    """The headers of a request record."""
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
    """The headers of a reply record; `error` is the code where the reply is one."""
    headers = [
        (CORRELATION_ID, call.correlation_id.encode()),
        (CALL_ID, call.call_id.encode()),
        (STATUS, b"%d" % status),
    ]
    if error is not None:
        headers.append((ERROR, error.encode()))
    return headers


def read_call(
    operation: Operation, headers: Iterable[tuple[str, bytes]], body: bytes, default_deadline_ms: int
) -> Call:
    """Read a request's headers as far as they make sense; what is garbage counts as absent."""
    texts = {name: text for name, value in headers if (text := header_text(value)) is not None}
    correlation_id = texts.get(CORRELATION_ID, "")
    reply_to = texts.get(REPLY_TO)
    return Call(
        operation=operation,
        correlation_id=correlation_id,
        call_id=texts.get(CALL_ID) or correlation_id,
        deadline_ms=_deadline_ms(texts.get(DEADLINE), default_deadline_ms),
        idempotency_key=texts.get(IDEMPOTENCY_KEY),
        traceparent=texts.get(TRACEPARENT),
        reply_to=reply_to if reply_to and REPLY_TOPIC.fullmatch(reply_to) else None,
        reply_key=texts.get(REPLY_KEY),
        body=body,
    )


def header_text(value: bytes | None) -> str | None:
    """A header's value as text; None when it is not printable UTF-8 of at most 1024 characters."""
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        return None
    return text if len(text) <= _TEXT_MAX_CHARS and text.isprintable() else None


def _deadline_ms(text: str | None, default_ms: int) -> int:
    """A deadline may be nearer than the default but hardly later: queues stay bounded in time."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return default_ms
    return min(int(text), default_ms + 60_000)
