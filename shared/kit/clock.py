"""The real time and real ids; tests set their own."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7


class SystemClock:
    """Tells the time of this machine, in UTC."""

    def now(self) -> datetime:
        """The time now, with the time zone UTC."""
        return datetime.now(UTC)


class SystemIds:
    """Gives ids ordered by time: each is greater than the one before, also when the clock was set back.

    That holds for the ids and for the texts, each among themselves. `source` gives UUIDs of version 7.
    """

    def __init__(self, source: Callable[[], UUID] = uuid7) -> None:
        self._source = source
        self._text_source: Callable[[], object] = uuid_utils.uuid7 if source is uuid7 else source
        self._last = UUID(int=0)
        self._last_text = ""

    def new(self) -> UUID:
        """A new UUID version 7 (RFC 9562)."""
        made = self._source()
        if made.int <= self._last.int:
            made = _after(self._last)
        self._last = made
        return made

    def text(self) -> str:
        """The text of a new one, at a third of the cost."""
        text = str(self._text_source())
        if text <= self._last_text:
            text = str(_after(UUID(self._last_text)))
        self._last_text = text
        return text


_RANDOM_BITS = 62
_STEP_BITS = 24


def _after(made: UUID) -> UUID:
    """An id a little greater; the last 62 bits are all that may change within its millisecond."""
    number = made.int
    step = 1 + secrets.randbits(_STEP_BITS)
    room = (1 << _RANDOM_BITS) - 1 - (number & ((1 << _RANDOM_BITS) - 1))
    return UUID(int=number + step if step <= room else number + (1 << 80))


any_id: Callable[[], object] = uuid_utils.uuid7
"""A UUID version 7 whose place in any order does not matter, for what is hot: its text is the id."""


def epoch_s() -> float:
    """Seconds since the epoch."""
    return time.time()


def now_ms() -> int:
    """Milliseconds since the epoch, as in Kafka's timestamps and in deadlines."""
    return time.time_ns() // 1_000_000


def now_s() -> float:
    """Seconds on a clock that never goes back and, where the system has one, goes on while it is suspended.

    Leases are measured with it: a laptop that slept through its lease must not believe that it holds it.
    """
    return time.clock_gettime(_STEADY) if _STEADY is not None else time.monotonic()


_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)
