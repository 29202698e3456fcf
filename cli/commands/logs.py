"""`concord logs [SERVICE] [-f]`: the end of the logs, and new lines."""

import os
import time
from pathlib import Path

import click

from cli.config.data_folder import DataFolder
from cli.config.settings import read_settings
from cli.errors import ConcordError
from cli.processes.child import tail

POLL_S = 0.2


@click.command()
@click.argument("service", required=False)
@click.option("-f", "--follow", is_flag=True, help="Continue with new lines, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0, 100_000),
    default=50,
    show_default=True,
    help="The number of last lines of each log.",
)
def logs(service: str | None, follow: bool, lines: int) -> None:
    """Show the logs of SERVICE (gateway, kafka, ...), or of everything."""
    folder = DataFolder(read_settings(os.environ).data_path).logs
    paths = [folder / f"{service}.log"] if service else sorted(folder.glob("*.log"))
    if not any(path.exists() for path in paths):
        names = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        raise ConcordError(f"There is no log of {service or 'anything'} in {folder}; there are: {names}.")
    offsets = {path: path.stat().st_size if path.exists() else 0 for path in paths}
    for path in paths:
        show(path, tail(path, lines).encode(), prefixed=service is None)
    while follow:
        time.sleep(POLL_S)
        for path in paths if service else sorted(folder.glob("*.log")):
            offsets[path] = show_new_lines(path, offsets.get(path, 0), prefixed=service is None)


def show_new_lines(path: Path, offset: int, prefixed: bool) -> int:
    """Print the complete lines after `offset`; return the new offset."""
    size = path.stat().st_size if path.exists() else 0
    if size < offset:  # rotated
        offset = 0
    if size == offset:
        return offset
    with path.open("rb") as handle:
        handle.seek(offset)
        text = handle.read(size - offset)
    whole = text[: text.rfind(b"\n") + 1]
    show(path, whole, prefixed)
    return offset + len(whole)


def show(path: Path, text: bytes, prefixed: bool) -> None:
    """Print lines, each after the name of its log if `prefixed`."""
    prefix = f"{path.stem:<9} | " if prefixed else ""
    for line in text.decode(errors="replace").splitlines():
        click.echo(prefix + line)
