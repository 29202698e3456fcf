"""The headers of the records in Kafka, for the AsyncAPI document."""

from typing import Any

Json = dict[str, Any]

_ID = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"
_HEADERS: dict[str, tuple[str, Any]] = {
    "correlation_id": ("Identifies one call on every record and log line; chosen by the caller.", "c-42"),
    "call_id": ("Unique per call; the reply repeats it.", _ID),
    "reply_to": ("Topic of the reply, partition 0.", "gateway.replies.host-0-0"),
    "deadline": ("Milliseconds since the epoch; a request past its deadline is dropped.", "1777636810000"),
    "idempotency_key": ("Scoped to the caller: method, path and the caller's key.", "POST /api/servers k-1"),
    "traceparent": ("W3C trace context.", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    "reply_key": (
        "Public key that the secrets of the answer are encrypted to: X25519, base64url.",
        "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",
    ),
    "status": ("HTTP status of the reply.", "200"),
    "error": ("Code of the error, if the reply is one.", "validation.failed"),
    "topics": ("Every topic that the event was written to; the signature covers them.", "live-events x"),
    "signature": (
        "HMAC-SHA256 over topics, key, headers and body, with a key derived from the shared secret.",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    ),
    "event_id": ("The event's id.", _ID),
    "event_type": ("The event's type.", "message.created"),
    "original-topic": ("Topic that the record was first read from.", "server-events"),
    "original-partition": ("Partition of that topic.", "3"),
    "original-offset": ("Offset in that partition.", "1815"),
    "attempt": ("Number of attempts so far.", "1"),
    "reason": ("Error of the last attempt.", "TimeoutError"),
    "trace": ("Source line of that error.", "apps/message/inbound/kafka.py:41 in take_in"),
    "dead-letter": ("Dead letter that the record was redriven from.", "message/0/17"),
    "truncated": ("Size of the original value in bytes, if it did not fit.", "2097152"),
}
REQUEST_HEADERS = ("correlation_id", "call_id", "reply_to", "deadline", "traceparent", "signature")
REPLY_HEADERS = ("correlation_id", "call_id", "status", "signature")
EVENT_HEADERS = ("event_id", "event_type", "topics", "signature")
FAILURE_HEADERS = (
    "original-topic",
    "original-partition",
    "original-offset",
    "attempt",
    "reason",
    "trace",
    "dead-letter",
    "truncated",
)
OPTIONAL = {"reply_to", "idempotency_key", "traceparent", "topics", "dead-letter", "truncated"}


def headers(names: tuple[str, ...], **allowed: list[str]) -> Json:
    """Return the schema of headers; `allowed` lists the possible values of some of them."""
    properties = {}
    for name in names:
        description, example = _HEADERS[name]
        values = {"enum": allowed[name]} if name in allowed else {"examples": [example]}
        properties[name] = {"type": "string", "description": description, **values}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in names if name not in OPTIONAL],
    }


def header_values(names: tuple[str, ...]) -> dict[str, str]:
    """Return example values of headers."""
    return {name: _HEADERS[name][1] for name in names}


def example(names: tuple[str, ...], payload: Json, **values: str) -> Json:
    """Return an example of a message: its headers, some with the given values, and its payload."""
    return {"headers": header_values(names) | values, "payload": payload}
