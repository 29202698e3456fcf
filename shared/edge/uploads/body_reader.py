"""The body of an upload as it comes: piece by piece, without long pauses, and not too slowly."""

import asyncio
import time
from collections.abc import Callable

from msgspec import Struct

from shared.contracts.errors import BODY_MALFORMED
from shared.kit.http.asgi import Receive


class MinimumRate(Struct, frozen=True, kw_only=True):
    """How slow a body may be: who sends a byte a second would else hold his place for as long as he likes."""

    stall_timeout_s: float
    rate_min_bytes_s: int
    """On the average of each window; 0 for any."""
    rate_window_s: float


class IncomingBody:
    """A body that is pulled: the server reads no more than is asked for.

    Only the time in which its sender was waited for counts: whoever has to wait for us is not slow.
    """

    def __init__(
        self, receive: Receive, tempo: MinimumRate, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._receive = receive
        self._tempo = tempo
        self._now_s = now_s
        self._ended = False
        self._waited_s = 0.0
        self._window_bytes = 0

    async def next(self) -> bytes | None:
        """The next bytes; None at the end. Raises `body.malformed` when it breaks off or is too slow."""
        if self._ended:
            return None
        began_s = self._now_s()
        try:
            async with asyncio.timeout(self._tempo.stall_timeout_s):
                message = await self._receive()
        except TimeoutError:
            raise BODY_MALFORMED.exception(f"Nothing came for {self._tempo.stall_timeout_s:g} s.") from None
        if message["type"] != "http.request":
            raise BODY_MALFORMED.exception("The connection ended before the body did.")
        self._ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        if not self._ended:
            self._measure(self._now_s() - began_s, len(piece))
        return piece

    def _measure(self, waited_s: float, size: int) -> None:
        self._waited_s += waited_s
        self._window_bytes += size
        if self._waited_s < self._tempo.rate_window_s:
            return
        if self._window_bytes < self._tempo.rate_min_bytes_s * self._waited_s:
            raise BODY_MALFORMED.exception(
                f"The body came too slowly: it takes {self._tempo.rate_min_bytes_s} bytes a second, "
                f"on the average of {self._tempo.rate_window_s:g} s."
            )
        self._waited_s, self._window_bytes = 0.0, 0
