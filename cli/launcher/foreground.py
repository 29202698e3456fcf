"""The foreground run of `up` and `infra up`: run a stack, and end the process cleanly."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

import click

from cli.config.settings import CommandSettings
from cli.launcher.stack import Stack


def run_stack(settings: CommandSettings, services: Sequence[str], on_ready: Callable[[], None]) -> None:
    """Run until a signal; print how long the start took, then call `on_ready`."""
    began = time.monotonic()

    def ready() -> None:
        click.echo(f"Ready after {time.monotonic() - began:.1f} s")
        on_ready()

    code = 0
    try:
        Stack(os.environ, settings, services, click.echo).run(ready)
        click.echo("Stopped")
    except BaseException as error:
        code = 1
        if threading.active_count() == 1:
            raise
        click.echo(f"concord: {error}", err=True)
    if threading.active_count() > 1:  # a download is still going on; Python would wait for its end
        sys.stdout.flush()
        os._exit(code)
