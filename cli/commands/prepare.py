"""`concord prepare`: topics and database migrations, as often as you like."""

import os

import click

from cli.config.data_folder import DataFolder
from cli.config.environment import complete_from_records
from cli.config.settings import read_settings
from cli.errors import readable_errors
from cli.launcher.start_gate import VARIABLE, wait_until_open


@click.command()
def prepare() -> None:
    """Create the topics and bring the databases up to date.

    Existing topics and tables are left alone, so it may be run as often as you like.
    """
    # Loaded before the gate opens: under `concord up` Kafka starts meanwhile.
    from cli.provisioning.provision import prepare as prepare_all

    wait_until_open(os.environ)
    os.environ.pop(VARIABLE, None)
    data = DataFolder(read_settings(os.environ).data_path)
    with readable_errors():
        prepare_all(complete_from_records(os.environ, data, with_s3=False))
    click.echo("Topics and tables are ready")
