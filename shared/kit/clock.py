"""Time and ids of the system; tests replace them."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the current time in UTC, timezone-aware."""
        return datetime.now(UTC)


class SystemIds:
    """Generates ids ordered by time: each is greater than the previous, even if the clock was set back.

    This holds among the ids and among the texts. `source` returns UUIDs of version 7.
    """

    def __init__(self, source: Callable[[], UUID] = uuid7) -> None:
        self._source = source
        self._text_source: Callable[[], object] = uuid_utils.uuid7 if source is uuid7 else source
        self._last = UUID(int=0)
        self._last_text = ""

    def new(self) -> UUID:
        """Return a new UUID version 7 (RFC 9562)."""
        new = self._source()
        if new.int <= self._last.int:
            new = _after(self._last)
        self._last = new
        return new

    def text(self) -> str:
        """Return the text of a new UUID, at a third of the cost."""
        text = str(self._text_source())
        if text <= self._last_text:
            text = str(_after(UUID(self._last_text)))
        self._last_text = text
        return text


_RANDOM_BITS = 62
_STEP_BITS = 24


def _after(previous: UUID) -> UUID:
    """Return a slightly greater id; within a millisecond only the last 62 bits may change."""
    number = previous.int
    step = 1 + secrets.randbits(_STEP_BITS)
    room = (1 << _RANDOM_BITS) - 1 - (number & ((1 << _RANDOM_BITS) - 1))
    return UUID(int=number + step if step <= room else number + (1 << 80))


any_id: Callable[[], object] = uuid_utils.uuid7
"""Returns a UUID version 7 for hot paths where order does not matter; its text is the id."""


def epoch_s() -> float:
    """Return seconds since the epoch."""
    return time.time()


def now_ms() -> int:
    """Return milliseconds since the epoch, as in Kafka's timestamps and in deadlines."""
    return time.time_ns() // 1_000_000


def now_s() -> float:
    """Return seconds of a clock that never goes back and, where the system has one, runs during suspension.

    Leases are measured with it: a laptop that slept through its lease must not believe it still holds it.
    """
    return time.clock_gettime(_STEADY) if _STEADY is not None else time.monotonic()


_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)
