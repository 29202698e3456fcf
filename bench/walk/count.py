"""Counts what was recorded: files, moves between them, frames, resumed coroutines."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from bench.walk.probe import Event


class Steps(Struct, frozen=True):
    """The functions that one process entered for one request."""

    files: dict[str, int]
    """The number of frames entered, by file."""
    moves: int
    """Calls of a function in another file than that of the call before; a resumed coroutine is no call."""
    frames: int
    resumed: int
    """The number of frames that are coroutines resumed after an await."""


class Walk(Struct, frozen=True):
    """The functions that all processes entered for one request; idle processes are left out."""

    files: int
    moves: int
    frames: int
    resumed: int
    processes: dict[str, Steps]


def entries(events: Iterable[Event]) -> set[str]:
    """Return where the event loop enters the project. In an idle process these are its timers."""
    return {event[3] for event in events}


def steps(events: Iterable[Event], timers: set[str]) -> Steps:
    """Count a recording of one process without its timers."""
    kept = [event for event in events if event[3] not in timers]
    names = [event[0] for event in kept]
    called = [event[0] for event in kept if not event[2]]
    return Steps(
        files=dict(sorted(Counter(names).items())),
        moves=sum(before != after for before, after in pairwise(called)),
        frames=len(kept),
        resumed=sum(event[2] for event in kept),
    )


def walk_of(processes: Mapping[str, Sequence[Steps]]) -> Walk:
    """Add the processes up. Each counts with the recording that has the median number of frames."""
    typical = {name: _median(recordings) for name, recordings in processes.items()}
    busy = {name: found for name, found in typical.items() if found.frames}
    return Walk(
        files=len({file for found in busy.values() for file in found.files}),
        moves=sum(found.moves for found in busy.values()),
        frames=sum(found.frames for found in busy.values()),
        resumed=sum(found.resumed for found in busy.values()),
        processes=busy,
    )


def _median(recordings: Sequence[Steps]) -> Steps:
    return sorted(recordings, key=lambda found: found.frames)[len(recordings) // 2]
