"""Gates: files at which child processes, having loaded their code, wait until they may continue."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CONCORD_GATE"
POLL_S = 0.01


class StartGate:
    """A file in the data folder: while it exists the gate is open."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.gate"

    def close(self) -> None:
        """Close the gate: processes that reach it from now on block."""
        self.path.unlink(missing_ok=True)

    def open(self) -> None:
        """Open the gate for all processes that wait and that come later."""
        self.path.touch()

    def variable(self) -> dict[str, str]:
        """Return the environment variable that makes a child process wait here."""
        return {VARIABLE: str(self.path)}


def wait_until_open(environ: Mapping[str, str]) -> None:
    """Block until the gate that the environment names is open; raise SystemExit if the parent dies."""
    path, parent = environ.get(VARIABLE), os.getppid()
    while path and not Path(path).exists():
        if os.getppid() != parent:
            raise SystemExit(1)
        time.sleep(POLL_S)
