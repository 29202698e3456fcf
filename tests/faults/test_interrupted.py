"""Tests that are interrupted leave no process behind, also where a worker runs them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT, scaled_s
from tests.support.polling import eventually

SERVERS = 2
"""A Kafka and a Postgres."""


@pytest.mark.parametrize("to_all", [True, False], ids=["by a terminal", "by kill"])
def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path, to_all: bool) -> None:
    command = [sys.executable, "-m", "pytest", "-n", "1", f"--basetemp={tmp_path / 'run'}"]
    command.append("tests/faults/slow_to_stop.py")
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=not_ignored,
    )
    try:
        eventually(lambda: servers(tmp_path) == SERVERS, 60)
    finally:
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        process.wait(60)
    eventually(lambda: servers(tmp_path) == 0, scaled_s(5))


def not_ignored() -> None:
    """Restore SIGINT, which background processes of a shell ignore, with all their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def servers(folder: Path) -> int:
    """Return the number of processes with this folder in their command line, without pytest's own."""
    mark = f"{folder}/run/".encode()
    found = 0
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += mark in place.read_bytes()
        except OSError:  # it has ended meanwhile
            continue
    return found
