"""`concord up`: everything, in the foreground or detached."""

import os

import click

from cli.config.data_folder import DataFolder
from cli.config.settings import SERVICES, CommandSettings, read_settings
from cli.launcher.service_process import gateway_address


@click.command()
@click.option("--detach", is_flag=True, help="Return when everything is ready and leave it running.")
def up(detach: bool) -> None:
    """Run everything: the embedded infrastructure and all services."""
    settings = read_settings(os.environ)
    if detach:
        from cli.launcher.detach import start_detached

        start_detached(settings)
        return
    from cli.launcher.foreground import run_stack

    run_stack(settings, SERVICES, lambda: click.echo(start_message(settings)))


def start_message(settings: CommandSettings) -> str:
    """Return the lines with the addresses of everything."""
    _, port = gateway_address(os.environ)
    url = (os.environ.get("PUBLIC_URL") or f"http://localhost:{port}").rstrip("/")
    signup = '{"name": "Ada", "email": "ada@example.org", "password": "correct horse"}'
    lines = [
        f"  HTTP API, try it out   {url}/api/docs",
        f"  Topics and events      {url}/api/asyncapi",
        f"  A first account        curl -X POST {url}/api/auth/signup -H 'Content-Type: application/json' \\",
        f"                           -d '{signup}'",
        "  A conversation         concord demo",
        f"  Logs                   {DataFolder(settings.data_path).logs} (concord logs -f)",
        "  Ctrl-C stops everything.",
    ]
    return "\n".join(lines)
