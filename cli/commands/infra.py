"""`concord infra up`: the embedded infrastructure alone, in the foreground."""

import os

import click

from cli.config.data_folder import DataFolder
from cli.config.environment import complete
from cli.config.settings import read_settings
from cli.launcher.foreground import run_stack


@click.group()
def infra() -> None:
    """Run the embedded Kafka, Postgres and S3 without services."""


@infra.command()
def up() -> None:
    """Run the embedded servers in the foreground; Ctrl-C stops them."""
    settings = read_settings(os.environ)
    data = DataFolder(settings.data_path)

    def on_ready() -> None:
        env = complete(os.environ, data, settings.kafka_port, settings.postgres_port, settings.s3_port)
        click.echo(f"  KAFKA_BOOTSTRAP_SERVERS={env['KAFKA_BOOTSTRAP_SERVERS']}")
        click.echo(f"  Postgres on 127.0.0.1:{settings.postgres_port}")
        click.echo(f"  S3_ENDPOINT_URL={env['S3_ENDPOINT_URL']}, for trials: any user here may reset it")
        click.echo(f"  Passwords, the key of S3 and MESH_SECRET in {data.root / 'secrets.json'}")
        click.echo("  `concord run SERVICE` finds them. Ctrl-C stops them.")

    run_stack(settings, [], on_ready)
