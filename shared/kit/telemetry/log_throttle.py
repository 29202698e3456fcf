"""Throttling of repeated log messages, so that they do not fill the logs.

Anyone who can write to Kafka can cause refused records at any rate; and while no broker answers, aiokafka
logs it dozens of times a second in every process.
"""

import logging
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

WINDOW_S = 10.0
_MESSAGES_MAX = 1000


class _Window(Struct):
    until_s: float
    count: int = 0


class LogThrottle(logging.Filter):
    """Passes at most `burst` equal messages of these loggers in each window of `window_s` seconds.

    Messages are equal if their templates are, whatever their arguments. Loggers below the named ones are
    throttled too.
    """

    def __init__(
        self, *loggers: str, burst: int = 3, window_s: float = WINDOW_S, now: Callable[[], float] = monotonic
    ) -> None:
        super().__init__()
        self._prefixes = tuple(f"{name}." for name in loggers)
        self._burst = burst
        self._window_s = window_s
        self._now = now
        self._windows: dict[tuple[str, int, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if the record is to be logged.

        The first record after suppressed ones gets their number as the field `unsaid`.
        """
        if not f"{record.name}.".startswith(self._prefixes):
            return True
        key = (record.name, record.levelno, str(record.msg))
        now = self._now()
        window = self._windows.get(key)
        if window is None or window.until_s <= now:
            suppressed = 0 if window is None else window.count - self._burst
            if suppressed > 0:
                record.unsaid = suppressed
            window = self._open_window(key, now)
        window.count += 1
        return window.count <= self._burst

    def _open_window(self, key: tuple[str, int, str], now: float) -> _Window:
        if len(self._windows) >= _MESSAGES_MAX:
            self._windows.clear()
        window = self._windows[key] = _Window(now + self._window_s)
        return window
