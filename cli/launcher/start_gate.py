"""Gates: files that tell child processes, which load their code meanwhile, that they may go on."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CONCORD_GATE"
POLL_S = 0.01


class StartGate:
    """A file in the data folder: there means open."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.gate"

    def close(self) -> None:
        """Whoever comes now waits."""
        self.path.unlink(missing_ok=True)

    def open(self) -> None:
        """Let all pass that wait, and all that come later."""
        self.path.touch()

    def variable(self) -> dict[str, str]:
        """What tells a child process to wait here."""
        return {VARIABLE: str(self.path)}


def wait_at_gate(environ: Mapping[str, str]) -> None:
    """Wait until the gate that the environment names is open; raises SystemExit when the parent dies."""
    path, parent = environ.get(VARIABLE), os.getppid()
    while path and not Path(path).exists():
        if os.getppid() != parent:
            raise SystemExit(1)
        time.sleep(POLL_S)
