"""Names of record headers, and how their values are read."""

import re

Headers = list[tuple[str, bytes]]
"""Name and value of each header. A list, because aiokafka's batch builder accepts nothing else."""

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
"""A service writes replies to no other topic, whatever a request names."""

_TEXT_MAX_CHARS = 1024


def header_text(value: bytes | None) -> str | None:
    """Return a header's value as text, or None if it is not printable UTF-8 of at most 1024 characters."""
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        return None
    return text if len(text) <= _TEXT_MAX_CHARS and text.isprintable() else None
