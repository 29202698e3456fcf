"""The command: sets the stage, warms up, measures, checks, tells, cleans up."""

import ipaddress
import os
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

import click
from msgspec import Struct

from bench import with_files, with_python, with_wrk
from bench.api import Api, ApiError
from bench.durability.command import durability
from bench.job import SINGLE, Job, Operation, Result
from bench.signature_cost import signatures
from bench.stage import SEEDS, Sizes, Stage
from bench.table import row_of, table

WARM_UP_IN_FLIGHT = 64
TOTAL_MAX_S = 600
"""Access tokens live fifteen minutes."""

Driver = Callable[[Job], Result]


class Plan(Struct, frozen=True):
    """The plan of a measurement: warm up each operation, then run each level for `seconds`."""

    operations: list[Operation]
    levels: list[int]
    seconds: int
    warm_up_s: int

    @property
    def total_s(self) -> int:
        """The duration of all runs in seconds."""
        return len(self.operations) * (len(self.levels) * self.seconds + self.warm_up_s)


def gateway_here() -> str:
    """Return the URL of the gateway on this machine."""
    return f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT') or 3001}"


class Levels(click.ParamType[list[int]]):
    """Numbers by commas."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        if isinstance(value, list):
            return value
        texts = str(value).split(",")
        if not all(text.isascii() and text.isdigit() and 1 <= int(text) <= 4096 for text in texts):
            self.fail("must be numbers from 1 to 4096, by commas", param, ctx)
        return [int(text) for text in texts]


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def bench(context: click.Context) -> None:
    """Measure how fast Concord is, and check that nothing is lost. The default is `load`."""
    if context.invoked_subcommand is None:
        context.invoke(load)


bench.add_command(durability)
bench.add_command(signatures)


@bench.command()
@click.argument("operations", nargs=-1, type=click.Choice([one.value for one in Operation]))
@click.option(
    "--in-flight",
    type=Levels(),
    default="1,16,64,256",
    show_default=True,
    help="Requests at once, by commas: a run for each.",
)
@click.option("--seconds", type=click.IntRange(1, 120), default=8, show_default=True, help="For each run.")
@click.option(
    "--warm-up",
    "warm_up_s",
    type=click.IntRange(1, 120),
    default=5,
    show_default=True,
    help="Seconds before the first run of each operation; Java takes some 40,000 sends to reach its pace.",
)
@click.option(
    "--url",
    default=gateway_here,
    show_default="the gateway of this environment",
    help="Address of the gateway.",
)
@click.option("--anywhere", is_flag=True, help="Also when the URL is not on this machine.")
@click.option("--driver", type=click.Choice(["wrk", "python"]), help="Default: wrk when it is installed.")
def load(
    operations: tuple[str, ...],
    in_flight: list[int],
    seconds: int,
    warm_up_s: int,
    url: str,
    anywhere: bool,
    driver: str | None,
) -> None:
    """Put a running Concord under load and report rates and latencies.

    By default it sends messages, reads histories and reads profiles; name operations to run only these. It
    works on servers of its own that it deletes at the end, and compares acknowledged with stored messages.
    `file` and `thumbnail` upload to S3, within the quotas of the test accounts.
    """
    host, port = place(url, anywhere)
    plan = Plan([Operation(one) for one in operations or SINGLE], in_flight, seconds, warm_up_s)
    if plan.total_s > TOTAL_MAX_S:
        raise click.BadParameter(f"all runs together may take {TOTAL_MAX_S} seconds")
    name = driver or ("wrk" if with_wrk.is_there() else "python")
    drive = with_wrk.run if name == "wrk" else with_python.run
    try:
        good = measure(Stage(Api(host, port), Sizes()), drive, plan)
    except (ApiError, OSError, RuntimeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if not good:
        raise click.exceptions.Exit(1)


def place(url: str, anywhere: bool) -> tuple[str, int]:
    """Host and port; refuses another machine unless it was asked for."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
        raise click.BadParameter("must be like http://127.0.0.1:3001", param_hint="--url")
    if not anywhere and not _is_here(parts.hostname):
        raise click.BadParameter("is another machine; say --anywhere if that is meant", param_hint="--url")
    return parts.hostname, parts.port or 80


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def measure(stage: Stage, drive: Driver, plan: Plan) -> bool:
    """Set the stage, measure, clear it; returns whether all that was acknowledged is stored, and no more."""
    try:
        click.echo("Setting the stage: people, servers, channels, first messages")
        stage.build()
        if Operation.LIMITED_SEND in plan.operations and not stage.limit():
            raise RuntimeError(
                "The limits are off: for limited-send, start Concord with RATE_LIMIT_PER_MINUTE=10000000 and "
                "SIGN_IN_LIMIT_PER_MINUTE=1000."
            )
        return _measure(stage, drive, plan)
    finally:
        click.echo("Cleaning up")
        stage.clear()


def _measure(stage: Stage, usual: Driver, plan: Plan) -> bool:
    rows = []
    created = len(stage.channels) * SEEDS
    for operation in plan.operations:
        drive = with_files.run if operation in with_files.FILES else usual
        # Thumbnails that the warm-up leaves to be made would slow down what is measured.
        warm = min(WARM_UP_IN_FLIGHT, max(plan.levels)) if drive is with_files.run else WARM_UP_IN_FLIGHT
        created += drive(_job(stage, operation, warm, plan.warm_up_s)).created
        for in_flight in plan.levels:
            result = drive(_job(stage, operation, in_flight, plan.seconds))
            created += result.created
            rows.append(row_of(operation, in_flight, result))
            click.echo(f"  {operation.value}, {in_flight} in flight: {result.rate:,.0f}/s by {result.driver}")
    click.echo("\n" + table(rows) + "\n")
    stored = stage.stored()
    click.echo(f"Messages acknowledged with 201: {created:,}; in the histories: {stored:,}.")
    return stored == created


def _job(stage: Stage, operation: Operation, in_flight: int, seconds: int) -> Job:
    return Job(
        operation=operation,
        host=stage.api.host,
        port=stage.api.port,
        in_flight=in_flight,
        seconds=seconds,
        run=secrets.token_hex(6),
        targets=stage.targets,
    )
