"""The header `Idempotency-Key`: its syntax, and its scope of method and path."""

import re
from collections.abc import Mapping

from shared.contracts.errors import FieldError
from shared.contracts.validation import validation_failed

HEADER = b"idempotency-key"

_KEY = re.compile(rb"[\x20-\x7e]{1,255}")
_BLANKS = b" \t"
"""Optional white space around a field value is not part of it (RFC 9110, 5.5)."""


def key_of(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the caller's key, None without one. Raises `validation.failed`."""
    value = headers.get(HEADER)
    if value is None:
        return None
    key = value.strip(_BLANKS)
    if not _KEY.fullmatch(key):
        error = FieldError("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
        raise validation_failed((error,))
    return key.decode("ascii")


def request_key(method: str, path: str, key: str) -> str:
    """Return the key that identifies a request among those of its caller: `POST /api/servers k-1`."""
    return f"{method} {path.rstrip('/')} {key}"
