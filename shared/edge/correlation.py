"""What ties a request together across processes: its correlation id and its trace (W3C Trace Context)."""

import re
from collections.abc import Callable

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[\x21-\x7e]*)?")
_TRACEPARENT_MAX_BYTES = 255
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


def correlation_id_of(header: bytes | None, new_id: Callable[[], object]) -> str:
    """The caller's `X-Correlation-Id` when it is sane, else a new one."""
    if header is not None and _SANE.fullmatch(header):
        return header.decode("ascii")
    return str(new_id())


def traceparent_of(header: bytes | None) -> str | None:
    """The `traceparent` to pass on; None when there is none or it breaks the rules of W3C."""
    if header is None or len(header) > _TRACEPARENT_MAX_BYTES:
        return None
    found = _TRACEPARENT.fullmatch(header)
    if found is None or found[2] == _NO_TRACE or found[3] == _NO_SPAN:
        return None
    version, more = found[1], found[4]
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    return header.decode("ascii")
