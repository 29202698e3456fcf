"""A clock that fails code that reads it over and over without yielding to the event loop.

No timeout of the loop fires in such code; a bound on readings ends it.
"""

import asyncio
from datetime import datetime

from shared.kit.clock import SystemClock

READINGS_MAX = 10_000
"""In one turn of the event loop: far more than many requests take."""


class YieldingClock(SystemClock):
    """The system's time; `now` raises AssertionError when it was read too often in one turn of the loop."""

    def __init__(self) -> None:
        self._readings = 0

    def now(self) -> datetime:
        """The time now."""
        if self._readings == 0:
            asyncio.get_running_loop().call_soon(self._reset)
        self._readings += 1
        assert self._readings <= READINGS_MAX, "it goes round without yielding to the event loop"
        return super().now()

    def _reset(self) -> None:
        self._readings = 0
