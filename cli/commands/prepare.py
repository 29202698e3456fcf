"""`concord prepare`: topics and database migrations, as often as you like."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from cli.config.data_folder import DataFolder
from cli.config.environment import complete_from_records
from cli.config.settings import read_settings
from cli.errors import ConcordError
from cli.launcher.start_gate import VARIABLE, wait_at_gate

# By name: importing them would load the kit before it is needed.
READABLE = ("SettingsError", "PortError", "PrepareError", "NotReadyError")


@click.command()
def prepare() -> None:
    """Create the topics and bring the databases up to date.

    What is there already stays as it is, so it may be run as often as you like.
    """
    # Loaded before the gate opens: under `concord up` that is while Kafka starts.
    from cli.provisioning.provision import prepare as prepare_all

    wait_at_gate(os.environ)
    os.environ.pop(VARIABLE, None)
    data = DataFolder(read_settings(os.environ).data)
    with readable_errors():
        prepare_all(complete_from_records(os.environ, data, with_s3=False))
    click.echo("Topics and tables are ready")


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what the kit says about settings, ports and preparation into a sentence without a traceback."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ in READABLE and type(error).__module__.startswith("shared.kit."):
            raise ConcordError(str(error)) from error
        raise
