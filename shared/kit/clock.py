"""The real time and real ids; tests set their own."""

import time
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
    """Gives ids ordered by time."""

    def new(self) -> UUID:
        """A new UUID version 7 (RFC 9562)."""
        return uuid7()

    def text(self) -> str:
        """The text of a new one, at a third of the cost."""
        return str(uuid_utils.uuid7())


def now_ms() -> int:
    """Milliseconds since the epoch, as in Kafka's timestamps and in deadlines."""
    return time.time_ns() // 1_000_000


def now_s() -> float:
    """Seconds on a clock that never goes back and, where the system has one, goes on while it is suspended.

    Leases are measured with it: a laptop that slept through its lease must not believe that it holds it.
    """
    return time.clock_gettime(_STEADY) if _STEADY is not None else time.monotonic()


_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)
