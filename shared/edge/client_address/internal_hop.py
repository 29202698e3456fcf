"""What a gateway says of an upload that it passes on to the file service: its caller was let in here.

So he is not counted again, and the gateway may come over plain HTTP where clients must not. Signed with the
mesh's secret, for one token and a short time: nobody else can say it, and who finds such a header can do
nothing with it that the token alone would not let him.
"""

from collections.abc import Callable

from shared.kit.clock import now_ms
from shared.kit.security.record_signatures import RecordSigner

HEADER = b"x-concord-passed-on"

_PURPOSE = "http:passed-on"
"""No topic has a colon in its name, so no record is signed for this."""
_GOOD_FOR_MS = 60_000
_HEADER_MAX_BYTES = 200


class InternalHop:
    """Writes the header, and believes it when it holds."""

    def __init__(self, signatures: RecordSigner, clock_ms: Callable[[], int] = now_ms) -> None:
        self._signatures = signatures
        self._clock_ms = clock_ms

    def header(self, authorization: bytes) -> tuple[bytes, bytes]:
        """The header for a request with this `Authorization`."""
        until = b"%d" % (self._clock_ms() + _GOOD_FOR_MS)
        (_, signature), *_ = self._signatures.sign(_PURPOSE, until, authorization, [])
        return HEADER, until + b"." + signature

    def verify(self, value: bytes | None, authorization: bytes) -> bool:
        """Whether a gateway of this mesh wrote it, for this `Authorization`, a short time ago."""
        if value is None or len(value) > _HEADER_MAX_BYTES:
            return False
        until, _, signature = value.partition(b".")
        now = self._clock_ms()
        if not until.isdigit() or not now < int(until) <= now + 2 * _GOOD_FOR_MS:
            return False
        return self._signatures.verify(_PURPOSE, until, authorization, [("signature", signature)]) is None
