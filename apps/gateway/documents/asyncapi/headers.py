"""The headers of the mesh's records, for the AsyncAPI document."""

from typing import Any

Json = dict[str, Any]

_ID = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"
_HEADERS: dict[str, tuple[str, Any]] = {
    "correlation_id": ("Stands on every record and log line of one call; chosen by the caller.", "c-42"),
    "call_id": ("Unique for each call; replies carry it back.", _ID),
    "reply_to": ("Topic that the reply is sent to, partition 0.", "gateway.replies.host-0-0"),
    "deadline": ("Milliseconds since the epoch; work is dropped when it has passed.", "1777636810000"),
    "idempotency_key": ("Scoped to the caller: method, path and the caller's key.", "POST /api/servers k-1"),
    "traceparent": ("W3C trace context.", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    "reply_key": (
        "Public key that secrets of the answer are sealed to: X25519, base64 for URLs.",
        "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",
    ),
    "status": ("HTTP status of the reply.", "200"),
    "error": ("Code of the error, on a reply that is one.", "validation.failed"),
    "topics": ("Every topic that the event was written to; the signature holds for these.", "live-events x"),
    "signature": (
        "HMAC-SHA256 with a key that follows from the mesh's secret, over topics, key, headers and body.",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    ),
    "event_id": ("The event's id.", _ID),
    "event_type": ("The event's type.", "message.created"),
    "original-topic": ("Where the record was first read.", "server-events"),
    "original-partition": ("Its partition there.", "3"),
    "original-offset": ("Its offset there.", "1815"),
    "attempt": ("How many times it was tried.", "1"),
    "reason": ("Why the last try failed.", "TimeoutError"),
    "trace": ("The line that failed.", "apps/message/inbound/kafka.py:41 in take_in"),
    "dead-letter": ("Which dead letter it was, if it was redriven.", "message/0/17"),
    "truncated": ("How many bytes the value had, if it did not fit.", "2097152"),
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


def headers(names: tuple[str, ...], **only: list[str]) -> Json:
    """The schema of headers; `only` bounds one to these values."""
    properties = {}
    for name in names:
        description, example = _HEADERS[name]
        shown = {"enum": only[name]} if name in only else {"examples": [example]}
        properties[name] = {"type": "string", "description": description, **shown}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in names if name not in OPTIONAL],
    }


def header_values(names: tuple[str, ...]) -> dict[str, str]:
    """Example values of headers."""
    return {name: _HEADERS[name][1] for name in names}


def example(names: tuple[str, ...], payload: Json, **values: str) -> Json:
    """An example of a message: its headers, some with the values given, and its payload."""
    return {"headers": header_values(names) | values, "payload": payload}
