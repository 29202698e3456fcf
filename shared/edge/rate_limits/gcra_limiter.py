"""The rate limit of each caller, counted in bounded memory: about a microsecond a request, no I/O.

Several processes can share the limits: each regularly publishes the requests that it admitted
(`drain_unshared`), and the others add them to their own counts (`add`).
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from shared.contracts.gcra import Rate

C = TypeVar("C")

DEBT_MAX_WINDOWS = 10
"""Counts of other processes never block a caller for longer than this number of windows."""

_TAT, _UNSHARED = 0, 1
"""Indexes of an entry: the theoretical arrival time, and the number of requests not yet published."""


def monotonic_us() -> int:
    """Return microseconds on a clock that never goes back."""
    return time.monotonic_ns() // 1_000


class GcraLimiter(Generic[C]):
    """Limits each caller to a `Rate`.

    At most `callers_max` callers are tracked, in two generations: when the younger one is full, the older one
    is dropped. A dropped caller starts again with a full limit; that takes `callers_max / 2` other callers
    since its last request.
    `drain_unshared` reports callers with at least `share_from` requests since the last report; with 0 nothing
    is shared.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        callers_max: int,
        share_from: int = 0,
        now_us: Callable[[], int] = monotonic_us,
    ) -> None:
        self.rate = rate
        self._interval_us = rate.interval_us
        self._span_us = rate.span_us
        self._half = max(1, callers_max // 2)
        self._share_from = share_from
        self._now_us = now_us
        self._young: dict[C, list[int]] = {}
        self._old: dict[C, list[int]] = {}
        self._unshared: dict[C, list[int]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def take(self, caller: C) -> int:
        """Admit a request, and return the remaining time in microseconds.

        `remaining // rate.interval_us` more requests are possible now. A negative result means that the
        request was not admitted; one will be after that many microseconds.
        """
        now_us = self._now_us()
        entry = self._young.get(caller) or self._entry(caller)
        tat_us = max(entry[_TAT], now_us)
        remaining_us = now_us + self._span_us - tat_us - self._interval_us
        if remaining_us >= 0:
            entry[_TAT] = tat_us + self._interval_us
            # Counted even if already paid back: otherwise a steady caller would have the full limit in
            # every process.
            entry[_UNSHARED] += 1
            if entry[_UNSHARED] == self._share_from:
                self._unshared[caller] = entry
        return remaining_us

    def give_back(self, caller: C) -> None:
        """Undo one `take`."""
        # A count that was published in between stays published, and a caller that took twice with a pause in
        # between may gain one interval. Both are off by one for each request being authenticated, which
        # takes moments.
        entry = self._entry(caller)
        entry[_TAT] -= self._interval_us
        entry[_UNSHARED] = max(0, entry[_UNSHARED] - 1)

    def add(self, caller: C, count: int, age_us: int) -> None:
        """Add requests that another process admitted `age_us` ago. They may exceed the limit: a debt."""
        now_us = self._now_us()
        entry = self._young.get(caller) or self._old.get(caller)
        tat_us = self.rate.after(entry[_TAT] if entry else 0, now_us - max(0, age_us), count)
        if tat_us > now_us:
            self._entry(caller)[_TAT] = min(tat_us, now_us + DEBT_MAX_WINDOWS * self._span_us)

    def drain_unshared(self) -> dict[C, int]:
        """Return and reset the counts not yet shared with other processes.

        Call it often: unshared callers accumulate until then.
        """
        counts = {caller: entry[_UNSHARED] for caller, entry in self._unshared.items() if entry[_UNSHARED]}
        for entry in self._unshared.values():
            entry[_UNSHARED] = 0
        self._unshared.clear()
        return counts

    def _entry(self, caller: C) -> list[int]:
        """Return the entry of a caller, moved or added to the younger generation."""
        entry = self._young.get(caller)
        if entry is None:
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            entry = self._young[caller] = self._old.pop(caller, [0, 0])
        return entry
