"""`concord up --detach`: start `concord up` in the background, follow its output until it is ready."""

import os
import sys
import time

import click

from cli.config.data_folder import DataFolder
from cli.config.settings import CommandSettings
from cli.errors import ConcordError
from cli.launcher.service_process import concord_command
from cli.processes.child import Child

POLL_S = 0.1
READY_LINE = "  Ctrl-C stops everything."


def start_detached(settings: CommandSettings) -> None:
    """Start `concord up` in a session of its own and show its output until it is ready."""
    data = DataFolder(settings.data_path)
    data.claim()  # a folder that is in use or cannot be written is reported here
    data.release()
    log = data.log("up")
    offset = log.stat().st_size if log.exists() else 0
    child = Child("up", [*concord_command(), "up"], log, os.environ)
    child.start()
    try:
        was_rotated = log.stat().st_size < offset
        follow_startup(child, data, 0 if was_rotated else offset)
    except KeyboardInterrupt:
        child.stop(timeout_s=10.0)
        raise


def follow_startup(child: Child, data: DataFolder, offset: int) -> None:
    """Print the output from `offset` on until it is ready; raise ConcordError if it ends before."""
    while True:
        ended = child.exit_code() is not None
        offset, ready = show(data, offset)
        if ready:
            click.echo("  It runs in the background: concord status, concord logs -f, concord down.")
            return
        if ended:
            raise ConcordError(f"It did not start; its output is above and in {child.log}.")
        time.sleep(POLL_S)


def show(data: DataFolder, offset: int) -> tuple[int, bool]:
    """Print the output after `offset`; return the new offset, and True if it is ready."""
    with data.log("up").open("rb") as handle:
        handle.seek(offset)
        text = handle.read()
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.decode(errors="replace").splitlines()
    for line in lines:
        if line != READY_LINE:
            sys.stdout.write(line + "\n")
    sys.stdout.flush()
    return offset + len(whole), READY_LINE in lines
