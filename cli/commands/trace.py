"""`concord trace ID`: everything that one correlation id did, as one time line."""

import re
from datetime import UTC, datetime
from uuid import UUID

import click

from cli.config.kafka import asked, data_folder, kafka_options_here
from cli.errors import ConcordError
from shared.kit.clock import epoch_s

SINCE_DEFAULT_S = 3600
SINCE_MAX_S = 31 * 86_400
MARGIN_S = 5
"""Clocks of several machines differ, and an id is made a moment before the first record."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(click.ParamType[int]):
    """Seconds, as `90s`, `30m`, `2h` or `1d`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,7})([smhd])", str(value))
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if not 1 <= seconds <= SINCE_MAX_S:
            self.fail("must be like 90s, 30m, 2h or 1d, at most 31d", param, ctx)
        return seconds


@click.command()
@click.argument("trace_id", metavar="ID")
@click.option(
    "--since",
    "since_s",
    type=Duration(),
    help="How far to look back. Default: to when the ID was made, where it tells, else 1h.",
)
@click.option(
    "--records",
    type=click.IntRange(1, 10_000_000),
    default=500_000,
    show_default=True,
    help="How many records of Kafka are looked at, at most.",
)
@click.option("--bodies", is_flag=True, help="Show bodies too; what is secret stays hidden.")
def trace(trace_id: str, since_s: int | None, records: int, bodies: bool) -> None:
    """Show what a call did: HTTP, requests, replies, events, failures, logs, in one time line.

    ID is the X-Correlation-Id of an answer, which every error names too.
    """
    from cli.tracing.kafka_steps import kafka_steps
    from cli.tracing.log_steps import log_steps
    from cli.tracing.step import STEPS_MAX, time_line
    from shared.kit.kafka.topic_reader import ReadLimits

    if not _ID.fullmatch(trace_id):
        raise ConcordError("An ID has 1 to 64 letters, digits, dots, hyphens and underscores.")
    options = kafka_options_here()
    since = begin_s(trace_id, since_s)
    bounds = ReadLimits(since_ms=int(since * 1000), records_max=records)
    steps, passage = asked(options, kafka_steps(options, trace_id, bounds, bodies=bodies))
    logged = log_steps(data_folder().logs, trace_id, since * 1000)
    if STEPS_MAX in (len(steps), len(logged)):
        click.echo(
            f"There may be more: at most {STEPS_MAX} steps of Kafka and of the logs are shown.", err=True
        )
    steps += logged
    when = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if passage.truncated:
        click.echo(f"Not all was looked at, but {passage.count} records: raise --records.", err=True)
    if not steps:
        raise ConcordError(
            f"Nothing since {when} names {trace_id} ({passage.count} records looked at): look further back "
            "with --since. Requests are kept for an hour, replies for ten minutes, events for seven days."
        )
    click.echo("\n".join(time_line(trace_id, steps)))


def begin_s(trace_id: str, since_s: int | None) -> float:
    """Where to begin, in seconds since the epoch: ids that the mesh makes (UUID version 7) tell it."""
    if since_s is not None:
        return epoch_s() - since_s
    try:
        made = UUID(trace_id)
    except ValueError:
        return epoch_s() - SINCE_DEFAULT_S
    made_s = (made.int >> 80) / 1000
    # A caller may name its own id: a time that is not yet tells nothing.
    if made.version != 7 or made_s > epoch_s() + MARGIN_S:
        return epoch_s() - SINCE_DEFAULT_S
    return max(made_s - MARGIN_S, epoch_s() - SINCE_MAX_S)
