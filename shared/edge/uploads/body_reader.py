"""The streamed body of an upload, with bounds on pauses and on its rate."""

import asyncio
import time
from collections.abc import Callable

from msgspec import Struct

from shared.contracts.errors import BODY_MALFORMED
from shared.kit.http.asgi import Receive


class MinimumRate(Struct, frozen=True, kw_only=True):
    """The minimum rate of a body. Without it a client sending a byte a second could hold a slot for hours."""

    stall_timeout_s: float
    rate_min_bytes_s: int
    """Averaged over each window; 0 for no minimum."""
    rate_window_s: float


class IncomingBody:
    """A body that is pulled: the server reads no further than requested.

    Only the time spent waiting for the sender counts towards its rate, not the time it waits for us.
    """

    def __init__(
        self, receive: Receive, minimum_rate: MinimumRate, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._receive = receive
        self._minimum_rate = minimum_rate
        self._now_s = now_s
        self._ended = False
        self._waited_s = 0.0
        self._window_bytes = 0

    async def next(self) -> bytes | None:
        """Return the next bytes; None at the end. Raises `body.malformed` if it is cut off or too slow."""
        if self._ended:
            return None
        started_s = self._now_s()
        try:
            async with asyncio.timeout(self._minimum_rate.stall_timeout_s):
                message = await self._receive()
        except TimeoutError:
            raise BODY_MALFORMED.exception(
                f"No data arrived for {self._minimum_rate.stall_timeout_s:g} s."
            ) from None
        if message["type"] != "http.request":
            raise BODY_MALFORMED.exception("The connection ended before the body did.")
        self._ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        if not self._ended:
            self._measure(self._now_s() - started_s, len(piece))
        return piece

    def _measure(self, waited_s: float, size: int) -> None:
        self._waited_s += waited_s
        self._window_bytes += size
        if self._waited_s < self._minimum_rate.rate_window_s:
            return
        if self._window_bytes < self._minimum_rate.rate_min_bytes_s * self._waited_s:
            raise BODY_MALFORMED.exception(
                f"The body arrived too slowly: at least {self._minimum_rate.rate_min_bytes_s} bytes a second "
                f"are required, averaged over {self._minimum_rate.rate_window_s:g} s."
            )
        self._waited_s, self._window_bytes = 0.0, 0
