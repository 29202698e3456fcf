"""The command: starts a Concord, records requests of each kind, counts them and prints a table."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from bench.api import ApiError
from bench.walk.concord import SERVICES, RecordedConcord
from bench.walk.count import Steps, Walk, entries, steps, walk_of
from bench.walk.report import files, table
from bench.walk.requests import Requests
from cli.errors import ConcordError

WARM_UPS = 3
IDLE_S = 15.0
"""The seconds for which the idle product is recorded, to learn its timers."""
SETTLE_S = 0.04
"""From the answer to the end of a recording: other processes finish; the access log is flushed later."""
PAUSE_S = 1.0
"""Between requests, so that the one before has ended everywhere."""


@click.command()
@click.option("--files", "with_files", is_flag=True, help="Also list the files by process.")
@click.option(
    "--repeat", type=click.IntRange(1, 99), default=9, show_default=True, help="Recordings of each request."
)
@click.option(
    "--json",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file.",
)
@click.option(
    "--before",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Figures of an earlier run, to compare with.",
)
def walk(with_files: bool, repeat: int, target: Path | None, before: Path | None) -> None:
    """Count the files of the project that one request enters, in every process.

    It starts a Concord of its own, on free ports and in a folder of its own, and records one request at a
    time while nothing else goes on. Timers and the relay of the outbox are left out.
    """
    old = None if before is None else msgspec.json.decode(before.read_bytes(), type=dict[str, Walk])
    with tempfile.TemporaryDirectory(prefix="concord-walk-") as folder:
        concord = RecordedConcord(Path(folder))
        try:
            click.echo("Starting a Concord of its own", err=True)
            concord.start()
            walks = measure(concord, repeat)
        except (ConcordError, ApiError, OSError) as error:
            raise click.ClickException(str(error)) from error
        finally:
            concord.stop()
    click.echo(table(walks, old))
    if with_files:
        click.echo(files(walks))
    if target is not None:
        target.write_bytes(msgspec.json.format(msgspec.json.encode(walks), indent=1) + b"\n")


def measure(concord: RecordedConcord, repeat: int) -> dict[str, Walk]:
    """Return the walk of each request. Raises ApiError when a request fails."""
    requests = Requests(concord.gateway_port)
    for request in requests.all().values():
        for _ in range(WARM_UPS):
            request()
    time.sleep(IDLE_S / 3)
    concord.forget_events()
    concord.begin()
    time.sleep(IDLE_S)
    timers = {name: entries(events) for name, events in concord.end().items()}
    return {name: _walk_of(concord, request, timers, repeat) for name, request in requests.all().items()}


def _walk_of(
    concord: RecordedConcord, request: Callable[[], object], timers: dict[str, set[str]], repeat: int
) -> Walk:
    recorded: dict[str, list[Steps]] = {name: [] for name in SERVICES}
    for _ in range(repeat):
        time.sleep(PAUSE_S)
        concord.begin()
        request()
        time.sleep(SETTLE_S)
        for name, events in concord.end().items():
            recorded[name].append(steps(events, timers[name]))
    return walk_of(recorded)
