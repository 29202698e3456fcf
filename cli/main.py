"""The `concord` command. A subcommand is imported only when it is called, so that start-up is quick."""

import sys
from collections.abc import Callable

import click

from cli.errors import ConcordError


def _up() -> click.Command:
    from cli.commands.up import up

    return up


def _infra() -> click.Command:
    from cli.commands.infra import infra

    return infra


def _run() -> click.Command:
    from cli.commands.run import run

    return run


def _prepare() -> click.Command:
    from cli.commands.prepare import prepare

    return prepare


def _status() -> click.Command:
    from cli.commands.status import status

    return status


def _down() -> click.Command:
    from cli.commands.down import down

    return down


def _logs() -> click.Command:
    from cli.commands.logs import logs

    return logs


def _doctor() -> click.Command:
    from cli.commands.doctor import doctor

    return doctor


def _dead_letters() -> click.Command:
    from cli.commands.dead_letters import dead_letters

    return dead_letters


def _trace() -> click.Command:
    from cli.commands.trace import trace

    return trace


def _demo() -> click.Command:
    from cli.commands.demo import demo

    return demo


def _bench() -> click.Command:
    from bench.command import bench

    return bench


COMMANDS: dict[str, Callable[[], click.Command]] = {
    "up": _up,
    "infra": _infra,
    "run": _run,
    "prepare": _prepare,
    "status": _status,
    "down": _down,
    "logs": _logs,
    "doctor": _doctor,
    "dead-letters": _dead_letters,
    "trace": _trace,
    "demo": _demo,
    "bench": _bench,
}


class LazyGroup(click.Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        load = COMMANDS.get(cmd_name)
        return load() if load else None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def concord() -> None:
    """Concord: a chat backend on Kafka, for trying out and for running."""


def main() -> None:
    """Run the command line; print a ConcordError as one sentence to stderr and exit with code 1."""
    try:
        concord(prog_name="concord")
    except ConcordError as error:
        click.echo(f"concord: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
