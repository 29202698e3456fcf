"""The `concord` command; each subcommand is imported only when it is called, so that start-up is quick."""

import sys
from importlib import import_module

import click

from cli.errors import ConcordError

COMMANDS = {
    "up": "cli.commands.up:up",
    "infra": "cli.commands.infra:infra",
    "run": "cli.commands.run:run",
    "prepare": "cli.commands.prepare:prepare",
    "status": "cli.commands.status:status",
    "down": "cli.commands.down:down",
    "logs": "cli.commands.logs:logs",
    "doctor": "cli.commands.doctor:doctor",
    "dead-letters": "cli.commands.dead_letters:dead_letters",
    "trace": "cli.commands.trace:trace",
    "demo": "cli.commands.demo:demo",
    "bench": "bench.command:bench",
}


class LazyGroup(click.Group):
    """A group whose commands are named in a table and imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def concord() -> None:
    """Concord: a chat backend on Kafka, for trying out and for running."""


def main() -> None:
    """Run the command line; what the user can put right is one sentence on stderr and exit code 1."""
    try:
        concord(prog_name="concord")
    except ConcordError as error:
        click.echo(f"concord: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
