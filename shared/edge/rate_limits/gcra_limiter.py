"""Counts what callers take, in memory that is bounded: nothing to wait for, a microsecond each.

Several processes may count the same callers: each says now and then what it let pass (`hot`), and the
others add that to their own counts (`add`).
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from shared.contracts.gcra import Rate

C = TypeVar("C")

DEBT_MAX_WINDOWS = 10
"""However much others say was taken, after so many windows it is paid back."""

_TAT, _UNTOLD = 0, 1


def monotonic_us() -> int:
    """Microseconds on a clock that never goes back."""
    return time.monotonic_ns() // 1_000


class GcraLimiter(Generic[C]):
    """The limit of each caller, a `Rate`.

    At most `callers_max` are remembered, in two generations: when the younger one is full the older one is
    forgotten. Who is forgotten starts afresh; that takes half as many other callers since his last request.
    `hot` tells of callers who took `tell_from` since it did last; with 0 there is nobody to be told.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        callers_max: int,
        tell_from: int = 0,
        now_us: Callable[[], int] = monotonic_us,
    ) -> None:
        self.rate = rate
        self._interval_us = rate.interval_us
        self._span_us = rate.span_us
        self._half = max(1, callers_max // 2)
        self._tell_from = tell_from
        self._now_us = now_us
        self._young: dict[C, list[int]] = {}
        self._old: dict[C, list[int]] = {}
        self._hot: dict[C, list[int]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def take(self, caller: C) -> int:
        """Take one, and give the room that is left in microseconds: `// rate.interval_us` more may be taken.

        Below zero nothing was taken: one may be in as many microseconds.
        """
        now_us = self._now_us()
        entry = self._young.get(caller) or self._entry(caller)
        # What is paid back here is told all the same: a steady caller would else have the limit everywhere.
        tat_us = max(entry[_TAT], now_us)
        room_us = now_us + self._span_us - tat_us - self._interval_us
        if room_us >= 0:
            entry[_TAT] = tat_us + self._interval_us
            entry[_UNTOLD] += 1
            if entry[_UNTOLD] == self._tell_from:
                self._hot[caller] = entry
        return room_us

    def give_back(self, caller: C) -> None:
        """Undo one `take`."""
        # What others were told of meanwhile stays told, and who took twice with a pause between may win an
        # interval: both err by one for each `take` under way, and a `take` is under way for moments.
        entry = self._entry(caller)
        entry[_TAT] -= self._interval_us
        entry[_UNTOLD] = max(0, entry[_UNTOLD] - 1)

    def add(self, caller: C, count: int, age_us: int) -> None:
        """Others let so many pass, so long ago. Unlike `take` this may exceed the limit: it is a debt."""
        now_us = self._now_us()
        entry = self._young.get(caller) or self._old.get(caller)
        tat_us = self.rate.after(entry[_TAT] if entry else 0, now_us - max(0, age_us), count)
        if tat_us > now_us:
            self._entry(caller)[_TAT] = min(tat_us, now_us + DEBT_MAX_WINDOWS * self._span_us)

    def hot(self) -> dict[C, int]:
        """What callers took since they were last told of; ask often, for it is kept until then."""
        told = {caller: entry[_UNTOLD] for caller, entry in self._hot.items() if entry[_UNTOLD]}
        for entry in self._hot.values():
            entry[_UNTOLD] = 0
        self._hot.clear()
        return told

    def _entry(self, caller: C) -> list[int]:
        """What is known of a caller, or a new entry, in the younger generation."""
        entry = self._young.get(caller)
        if entry is None:
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            entry = self._young[caller] = self._old.pop(caller, [0, 0])
        return entry
