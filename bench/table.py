"""The results as a table that reads well in a terminal and in Markdown."""

from collections.abc import Sequence

from bench.job import Operation, Result

HEADS = ("operation", "in flight", "requests/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "errors")


def row_of(operation: Operation, in_flight: int, result: Result) -> tuple[str, ...]:
    """Return the row of one run."""
    times = (result.p50_us, result.p90_us, result.p99_us, result.max_us)
    return (
        operation.value,
        str(in_flight),
        f"{result.rate:,.0f}",
        *(f"{time_us / 1000:.1f}" for time_us in times),
        errors_of(result),
    )


def errors_of(result: Result) -> str:
    """Return the error counts by status."""
    bad = [f"{count}× {status}" for status, count in sorted(result.statuses.items()) if status[0] != "2"]
    if result.socket_errors:
        bad.append(f"{result.socket_errors}× no answer")
    return ", ".join(bad) or "0"


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return an aligned table."""
    widths = [max(len(row[column]) for row in (HEADS, *rows)) for column in range(len(HEADS))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (HEADS, rule, *rows))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        row[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
    ]
    return f"| {' | '.join(cells)} |"
