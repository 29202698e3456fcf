"""Short programs that a start needs (initdb, psql, ...): run to their end, or stopped with the start."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from cli.errors import ConcordError
from cli.processes.child import popen_user

_lock = threading.Lock()
_running: set[subprocess.Popen[str]] = set()


def run_subprocess(
    command: Sequence[str],
    failure: str,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    text: str | None = None,
    uid: int | None = None,
) -> str:
    """Run a program with `text` as input; return its output, or raise ConcordError(`failure`: output)."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        text=True,
        errors="replace",
        start_new_session=True,
        **popen_user(uid),
    )
    with _lock:
        _running.add(process)
    try:
        output, _ = process.communicate(text, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        end(process, signal.SIGKILL)
        output = f"no end after {timeout_s:.0f} s"
    finally:
        with _lock:
            _running.discard(process)
    if process.wait() != 0:
        raise ConcordError(f"{failure}: {output.strip()}")
    return output


def stop_subprocesses() -> None:
    """Send SIGTERM to all that run, from another thread; they clean up after themselves."""
    with _lock:
        for process in _running:
            end(process, signal.SIGTERM)


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal the program and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
