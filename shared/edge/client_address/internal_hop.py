"""The header that marks an upload as forwarded by a gateway to the file service.

The file service then does not charge the caller again, and accepts plain HTTP. The header is signed with the
shared secret, for one token and a short time: only a gateway can produce it, and a leaked header allows
nothing beyond what its token allows.
"""

from collections.abc import Callable

from shared.kit.clock import now_ms
from shared.kit.security.record_signatures import RecordSigner

HEADER = b"x-concord-passed-on"

_PURPOSE = "http:passed-on"
"""Used as the topic of the signature; no topic has a colon in its name, so no record has this one."""
_VALID_FOR_MS = 60_000
_HEADER_MAX_BYTES = 200


class InternalHop:
    """Writes and verifies the header."""

    def __init__(self, signatures: RecordSigner, clock_ms: Callable[[], int] = now_ms) -> None:
        self._signatures = signatures
        self._clock_ms = clock_ms

    def header(self, authorization: bytes) -> tuple[bytes, bytes]:
        """Return the header for a request with this `Authorization`."""
        until = b"%d" % (self._clock_ms() + _VALID_FOR_MS)
        (_, signature), *_ = self._signatures.sign(_PURPOSE, until, authorization, [])
        return HEADER, until + b"." + signature

    def verify(self, value: bytes | None, authorization: bytes) -> bool:
        """Return True if a gateway wrote this value for this `Authorization` within the last minute."""
        if value is None or len(value) > _HEADER_MAX_BYTES:
            return False
        until, _, signature = value.partition(b".")
        now = self._clock_ms()
        if not until.isdigit() or not now < int(until) <= now + 2 * _VALID_FOR_MS:
            return False
        return self._signatures.verify(_PURPOSE, until, authorization, [("signature", signature)]) is None
