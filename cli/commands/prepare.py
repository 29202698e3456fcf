"""`concord prepare`: topics and database migrations, as often as you like."""

import os

import click

from cli.data_folder import DataFolder
from cli.environment import complete_from_records
from cli.gates import VARIABLE, wait_at_gate
from cli.settings import read_settings


@click.command()
def prepare() -> None:
    """Create the topics and bring the databases up to date; does nothing where that is so already."""
    # Loaded before the gate opens: under `concord up` that is while Kafka starts.
    from shared.kit.prepare import prepare as prepare_all

    wait_at_gate(os.environ)
    os.environ.pop(VARIABLE, None)
    data = DataFolder(read_settings(os.environ).data)
    prepare_all(complete_from_records(os.environ, data))
    click.echo("Topics and tables are ready")
