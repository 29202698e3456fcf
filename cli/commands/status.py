"""`concord status`: the processes of the data folder, and their readiness."""

import os
import sys
from pathlib import Path

import click

from cli.config.data_folder import DataFolder
from cli.config.ports import LOOPBACK
from cli.config.settings import read_settings
from cli.embedded import s3
from cli.embedded.kafka_probe import serves
from cli.embedded.postgres_state import says_ready
from cli.launcher.service_process import health_host
from cli.processes.health import unready_components
from cli.processes.registry import Record


@click.command()
def status() -> None:
    """Show what runs here and whether it is ready.

    Exit code 0 if all of it is ready, 1 if not, 3 if nothing runs.
    """
    data = DataFolder(read_settings(os.environ).data_path)
    records = data.records.all()
    if not records:
        click.echo(f"Nothing runs in {data.root}")
        sys.exit(3)
    states = {record.name: state(record) for record in records}
    click.echo(f"{'NAME':<18}{'PID':>8}{'PORT':>7}  STATE")
    for record in records:
        port = str(record.port) if record.port else "-"
        click.echo(f"{record.name:<18}{record.pid:>8}{port:>7}  {states[record.name]}")
    if any(text != "ready" for text in states.values()):
        sys.exit(1)


def state(record: Record) -> str:
    """Return `ready`, or what is missing, in words."""
    if record.name == "kafka":
        return "ready" if serves(LOOPBACK, record.port) else "does not answer"
    if record.name == "postgres":
        data = Path(record.command_words[0])
        return "ready" if says_ready(data, record.pid) else "is starting or stopping"
    if record.name == "s3":
        return "ready" if s3.answers(record.port) else "does not answer"
    if not record.port:
        return "ready"
    unready = unready_components(health_host(record.note or record.name, os.environ), record.port)
    return ", ".join(f"{component}: {reason}" for component, reason in unready.items()) or "ready"
