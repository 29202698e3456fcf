"""The header `Idempotency-Key`: what may stand in it, and what a request is known by with it."""

import re
from collections.abc import Mapping

from shared.contracts.errors import FieldError
from shared.contracts.validation import validation_failed

HEADER = b"idempotency-key"

_KEY = re.compile(rb"[\x20-\x7e]{1,255}")
_BLANKS = b" \t"
"""Around a value they are no part of it (RFC 9110, 5.5)."""


def key_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's key, None without one. Raises `validation.failed`."""
    value = headers.get(HEADER)
    if value is None:
        return None
    key = value.strip(_BLANKS)
    if not _KEY.fullmatch(key):
        fault = FieldError("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
        raise validation_failed((fault,))
    return key.decode("ascii")


def request_key(method: str, path: str, key: str) -> str:
    """What the request is known by among all of its caller: `POST /api/servers k-1`."""
    return f"{method} {path.rstrip('/')} {key}"
