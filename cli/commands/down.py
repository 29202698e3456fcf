"""`concord down`: stop the Concord of the data folder."""

import os

import click

from cli.config.data_folder import DataFolder
from cli.config.settings import read_settings
from cli.errors import ConcordError
from cli.processes.orphans import stop_all, stop_orphans

STOP_TIMEOUT_S = 12.0


@click.command()
def down() -> None:
    """Stop what `up` or `infra up` started here, detached or not."""
    data = DataFolder(read_settings(os.environ).data_path)
    running = data.records.find("up")
    if running is not None:
        stop_all([running], STOP_TIMEOUT_S)
        if running.alive():
            raise ConcordError(
                f"Concord (pid {running.pid}) does not stop: end it with `kill -9 {running.pid}`."
            )
    orphans = stop_orphans(data.records)
    if running is None and not orphans:
        click.echo(f"Nothing ran in {data.root}")
    else:
        click.echo("Stopped" + (f", with what was left over: {', '.join(orphans)}" if orphans else ""))
