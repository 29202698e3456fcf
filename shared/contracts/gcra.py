"""Rate limiting: the arithmetic of the generic cell rate algorithm (GCRA, ITU-T I.371).

The state of a caller is one number, the *theoretical arrival time* (TAT): the moment at which everything
taken is paid back. It may be stored in memory or in a row. Times are whole microseconds of any clock, so that
no rounding error accumulates.
"""

from msgspec import Struct

SECOND_US = 1_000_000


class Rate(Struct, frozen=True):
    """A rate: a burst of `limit`, and in the long run `limit` per `window_us` microseconds."""

    limit: int
    window_us: int

    @property
    def interval_us(self) -> int:
        """Return the time in which one is paid back; at least a microsecond."""
        return max(1, self.window_us // self.limit)

    @property
    def span_us(self) -> int:
        """Return the maximum lead of the TAT over the clock: `limit` whole intervals."""
        return self.interval_us * self.limit

    def after(self, tat_us: int, now_us: int, count: int = 1) -> int:
        """Return the TAT after `count` more have been taken, allowed or not."""
        return max(tat_us, now_us) + count * self.interval_us

    def room_us(self, tat_us: int, now_us: int) -> int:
        """Return the remaining lead after one more; if it is negative, its amount is the time to wait."""
        return now_us + self.span_us - self.after(tat_us, now_us)

    def wait_us(self, tat_us: int, now_us: int) -> int:
        """Return the time until one more is allowed; 0 if it is allowed now."""
        return max(0, -self.room_us(tat_us, now_us))


def per_minute(limit: int) -> Rate:
    """Return the rate of `limit` per minute."""
    return Rate(limit, 60 * SECOND_US)


def whole_seconds(time_us: int) -> int:
    """Return the time in seconds, rounded up as `Retry-After` requires; at least 1."""
    return max(1, -(-time_us // SECOND_US))
