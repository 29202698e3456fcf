"""A step on behalf of a call, and the time line of many steps."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum

from msgspec import Struct

from cli.output.terminal import printable, render_cell

STEPS_MAX = 10_000
"""The most steps of Kafka, and the most of the logs."""


class Kind(IntEnum):
    """The kind of a step, in the order of steps within one millisecond, the resolution of Kafka's times."""

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
    """One step. `at_ms` is in milliseconds since the epoch, `where` a position in Kafka or a process."""

    at_ms: float
    kind: Kind
    where: str
    words: str
    key: str = ""
    body: str = ""
    """Rendered; empty if bodies are hidden."""


def in_order(steps: list[Step]) -> list[Step]:
    """Return the steps in the order in which they happened, by the clocks."""
    return sorted(steps, key=lambda step: (int(step.at_ms), step.kind, step.at_ms))


def time_line(trace_id: str, steps: list[Step]) -> Iterator[str]:
    """Yield lines: ms since the first step, ms since the one before, kind, position, key, words."""
    ordered = in_order(steps)
    first = ordered[0].at_ms
    began_at = datetime.fromtimestamp(first / 1000, UTC).isoformat(timespec="milliseconds")
    duration_ms = max(step.at_ms for step in ordered) - first
    yield f"{trace_id}: {len(ordered)} steps in {duration_ms:.1f} ms, from {began_at.replace('+00:00', 'Z')}"
    yield f"{'ms':>10} {'+ms':>9}  {'STEP':<12} WHERE"
    before = first
    for step in ordered:
        key = f"  key {step.key}" if step.key else ""
        since, delta = max(0.0, step.at_ms - first), max(0.0, step.at_ms - before)
        line = render_cell(f"{step.where}{key}  {step.words}")
        yield f"{since:>10.1f} {delta:>9.1f}  {NAMES[step.kind]:<12} {line}".rstrip()
        yield from (f"{'':>34} {body_line}" for body_line in printable(step.body).splitlines())
        before = step.at_ms
