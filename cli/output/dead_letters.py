"""Dead letters in words: a line for a list, a page for one."""

from collections.abc import Iterator
from datetime import UTC, datetime

from cli.output.terminal import cell, shown
from shared.kit.dead_letters.store import DeadLetter
from shared.kit.telemetry.redaction import redact, redact_value
from shared.kit.wire.failure import ATTEMPT, DEAD_LETTER, FAILURE_HEADERS, REASON, TRACE, TRUNCATED


def table(letters: list[DeadLetter]) -> Iterator[str]:
    """A line for each, under a heading."""
    rows = [
        ("ID", "WHEN", "FROM", "STATE", "REASON"),
        *(tuple(map(cell, row_of(letter))) for letter in letters),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[4]]).rstrip()


def row_of(letter: DeadLetter) -> tuple[str, ...]:
    """The cells of one."""
    reason = letter.text(REASON)
    return letter.id, moment(letter.timestamp_ms), origin(letter), state(letter), redact(reason)[:120]


def origin(letter: DeadLetter) -> str:
    """Where it was read first; the topic alone where it was never written."""
    if letter.rejected_by_broker:
        return letter.origin.topic
    return f"{letter.origin.topic}/{letter.origin.partition}/{letter.origin.offset}"


def state(letter: DeadLetter) -> str:
    """In one word."""
    if letter.redriven_at_ms is not None:
        return "redriven"
    return "kept" if letter.not_redrivable_reason() else "waiting"


def page(letter: DeadLetter) -> Iterator[str]:
    """All that is known about one, without secrets."""
    yield from map(cell, _facts(letter))
    yield from value_of(letter)


def _facts(letter: DeadLetter) -> Iterator[str]:
    yield f"{letter.id}, since {moment(letter.timestamp_ms)}"
    yield f"  from     {origin(letter)} (topic/partition/offset)"
    yield f"  reason   {redact(letter.text(REASON))}"
    yield f"  raised   {letter.text(TRACE) or 'nowhere in our code'}"
    yield f"  tries    {letter.text(ATTEMPT) or '0'}"
    if earlier := letter.text(DEAD_LETTER):
        yield f"  before   it was {earlier}, and was redriven"
    if letter.redriven_at_ms is not None:
        yield f"  redriven {moment(letter.redriven_at_ms)}"
    elif refusal := letter.not_redrivable_reason():
        yield f"  redrive  no: {refusal}."
    else:
        yield f"  redrive  concord dead-letters redrive {letter.id}"
    yield f"  key      {redact((letter.key or b'').decode(errors='replace')) or 'none'}"
    for name, value in letter.headers:
        if name == TRUNCATED or name not in FAILURE_HEADERS:
            yield f"  header   {name}: {redact_value(value, name.replace('-', '_'))}"


def value_of(letter: DeadLetter) -> Iterator[str]:
    """The value as JSON where it is some, without what is named like a secret."""
    if letter.is_request:
        yield "  value    not kept: a request may hold a password or a token"
    elif not letter.value:
        yield "  value    empty"
    else:
        yield "  value"
        yield from (f"    {line}" for line in shown(letter.value).splitlines())


def moment(timestamp_ms: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
