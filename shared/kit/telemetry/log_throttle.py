"""Keeps what says the same again and again from filling the logs.

Refused records come as often as somebody cares to write them. And while no broker answers, aiokafka says
so dozens of times a second in every process, for as long as it lasts.
"""

import logging
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

WINDOW_S = 10.0
_MESSAGES_MAX = 1000


class _Said(Struct):
    until: float
    times: int = 0


class LogThrottle(logging.Filter):
    """Lets each message of these loggers through so often in ten seconds; the next tells how many were not.

    Messages are the same when their templates are, whatever stands in them.
    """

    def __init__(
        self, *loggers: str, times: int = 3, window_s: float = WINDOW_S, now: Callable[[], float] = monotonic
    ) -> None:
        super().__init__()
        self._prefixes = tuple(f"{name}." for name in loggers)
        self._times = times
        self._window_s = window_s
        self._now = now
        self._said: dict[tuple[str, int, str], _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; `unsaid` is added to the first one after some were not."""
        if not f"{record.name}.".startswith(self._prefixes):
            return True
        key = (record.name, record.levelno, str(record.msg))
        now = self._now()
        said = self._said.get(key)
        if said is None or said.until <= now:
            if said is not None and said.times > self._times:
                record.unsaid = said.times - self._times
            said = self._begin(key, now)
        said.times += 1
        return said.times <= self._times

    def _begin(self, key: tuple[str, int, str], now: float) -> _Said:
        if len(self._said) >= _MESSAGES_MAX:
            self._said.clear()
        said = self._said[key] = _Said(now + self._window_s)
        return said
