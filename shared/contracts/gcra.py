"""Rate limiting with the generic cell rate algorithm (GCRA, ITU-T I.371), as arithmetic.

The state of a caller is one number, the *theoretical arrival time* (TAT): the moment at which everything it
took is paid back. The caller of these functions stores it, in memory or in a row. All times are whole
microseconds on any one clock, so that nothing is lost in rounding.
"""

from msgspec import Struct

SECOND_US = 1_000_000


class Rate(Struct, frozen=True):
    """At most `limit` at once, and `limit` in each `window_us` microseconds in the long run."""

    limit: int
    window_us: int

    @property
    def interval_us(self) -> int:
        """The time in which one request is paid back; at least a microsecond."""
        return max(1, self.window_us // self.limit)

    @property
    def span_us(self) -> int:
        """The furthest that the TAT may be ahead of the clock: `limit` intervals."""
        return self.interval_us * self.limit

    def after(self, tat_us: int, now_us: int, count: int = 1) -> int:
        """Return the TAT after `count` more, whether allowed or not."""
        return max(tat_us, now_us) + count * self.interval_us

    def remaining_us(self, tat_us: int, now_us: int) -> int:
        """Return the time left after one more; if negative, one more has to wait for that long."""
        return now_us + self.span_us - self.after(tat_us, now_us)

    def wait_us(self, tat_us: int, now_us: int) -> int:
        """Return the time until one more is allowed; 0 if it is now."""
        return max(0, -self.remaining_us(tat_us, now_us))


def per_minute(limit: int) -> Rate:
    """Return the rate of `limit` per minute."""
    return Rate(limit, 60 * SECOND_US)


def whole_seconds(time_us: int) -> int:
    """Return the time in seconds for `Retry-After`: rounded up, at least 1."""
    return max(1, -(-time_us // SECOND_US))
