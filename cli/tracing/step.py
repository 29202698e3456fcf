"""One thing that happened on behalf of a call, and the time line that many of them make."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum

from msgspec import Struct

from cli.output.terminal import cell, printable

STEPS_MAX = 10_000
"""Of Kafka, and of the logs."""


class Kind(IntEnum):
    """What a step is, in the order of steps within one millisecond, finer than which Kafka tells no time."""

    HTTP = 0
    REQUEST = 1
    LOG = 2
    EVENT = 3
    RETRY = 4
    DEAD_LETTER = 5
    REPLY = 6
    HTTP_ANSWER = 7


NAMES = {kind: kind.name.lower().replace("_", " ") for kind in Kind}


class Step(Struct, frozen=True, kw_only=True):
    """One step. `at_ms` is in milliseconds since the epoch, `where` a place in Kafka or a process."""

    at_ms: float
    kind: Kind
    where: str
    words: str
    key: str = ""
    body: str = ""
    """Ready to be shown; empty where bodies are hidden."""


def in_order(steps: list[Step]) -> list[Step]:
    """As they happened, as far as the clocks tell."""
    return sorted(steps, key=lambda step: (int(step.at_ms), step.kind, step.at_ms))


def time_line(trace_id: str, steps: list[Step]) -> Iterator[str]:
    """Lines: since the first step, since the one before, what, where, with what key, in words."""
    ordered = in_order(steps)
    first = ordered[0].at_ms
    begun = datetime.fromtimestamp(first / 1000, UTC).isoformat(timespec="milliseconds")
    lasted = max(step.at_ms for step in ordered) - first
    yield f"{trace_id}: {len(ordered)} steps in {lasted:.1f} ms, from {begun.replace('+00:00', 'Z')}"
    yield f"{'ms':>10} {'+ms':>9}  {'STEP':<12} WHERE"
    before = first
    for step in ordered:
        key = f"  key {step.key}" if step.key else ""
        since, delta = max(0.0, step.at_ms - first), max(0.0, step.at_ms - before)
        told = cell(f"{step.where}{key}  {step.words}")
        yield f"{since:>10.1f} {delta:>9.1f}  {NAMES[step.kind]:<12} {told}".rstrip()
        yield from (f"{'':>34} {line}" for line in printable(step.body).splitlines())
        before = step.at_ms
