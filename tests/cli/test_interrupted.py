"""Tests that are interrupted leave no process behind, also where several workers share them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TESTS

AT_ONCE = 2


@pytest.mark.parametrize("to_all", [True, False], ids=["by a terminal", "by kill"])
def test_an_interrupted_run_leaves_no_process_behind(tmp_path: Path, to_all: bool) -> None:
    command = [sys.executable, "-m", "pytest", "-n", str(AT_ONCE), f"--basetemp={tmp_path / 'run'}"]
    command.append("tests/cli/slow_to_stop.py")
    process = subprocess.Popen(
        command,
        cwd=TESTS.parent,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # what runs behind a shell ignores it
    )
    started = wait_for(lambda: servers(tmp_path) >= 2 * AT_ONCE, 60)
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    process.wait(60)
    assert started
    assert wait_for(lambda: servers(tmp_path) == 0, 5)


def servers(folder: Path) -> int:
    """How many processes have this folder in their command line, without pytest's own."""
    mark = f"{folder}/run/".encode()
    found = 0
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += mark in place.read_bytes()
        except OSError:  # it has ended meanwhile
            continue
    return found


def wait_for(done: Callable[[], bool], most_s: float) -> bool:
    """Whether it was done in time."""
    until = time.monotonic() + most_s
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True
