"""How often something may be done: the generic cell rate algorithm (GCRA, ITU-T I.371), as arithmetic.

All that is known of a caller is one number, the *theoretical arrival time* (TAT): the moment at which what
was taken is paid back. Whoever keeps that number, in memory or in a row, has the limit. Whole microseconds
on any clock, so that nothing is lost in rounding.
"""

from msgspec import Struct

SECOND_US = 1_000_000


class Rate(Struct, frozen=True):
    """`limit` at once, and in the long run `limit` in each `window_us` microseconds."""

    limit: int
    window_us: int

    @property
    def interval_us(self) -> int:
        """The time in which one that was taken is paid back; at least a microsecond."""
        return max(1, self.window_us // self.limit)

    @property
    def span_us(self) -> int:
        """How far the TAT may be ahead of the clock: `limit` whole intervals."""
        return self.interval_us * self.limit

    def after(self, tat_us: int, now_us: int, count: int = 1) -> int:
        """The TAT when `count` more have been taken, allowed or not."""
        return max(tat_us, now_us) + count * self.interval_us

    def room_us(self, tat_us: int, now_us: int) -> int:
        """What would be left after one more; below zero it has to wait for as many microseconds."""
        return now_us + self.span_us - self.after(tat_us, now_us)

    def wait_us(self, tat_us: int, now_us: int) -> int:
        """How long until one more may be taken; 0 when it may be now."""
        return max(0, -self.room_us(tat_us, now_us))


def per_minute(limit: int) -> Rate:
    """So many a minute."""
    return Rate(limit, 60 * SECOND_US)


def whole_seconds(time_us: int) -> int:
    """Rounded up, as `Retry-After` needs it; at least 1."""
    return max(1, -(-time_us // SECOND_US))
