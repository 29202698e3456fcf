"""Short programs that a start needs (initdb, psql, ...): run to their end, or ended with the start."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from cli.errors import ConcordError
from cli.processes.child import become

_lock = threading.Lock()
_running: set[subprocess.Popen[str]] = set()


def run_helper(
    command: Sequence[str],
    what: str,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    text: str | None = None,
    uid: int | None = None,
) -> str:
    """Run a program that reads `text` and return what it says; raises ConcordError, beginning with `what`."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        text=True,
        errors="replace",
        start_new_session=True,
        **become(uid),
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
        raise ConcordError(f"{what}: {output.strip()}")
    return output


def stop_helpers() -> None:
    """Ask all that run to end, from another thread; they clean up what they began."""
    with _lock:
        for process in _running:
            end(process, signal.SIGTERM)


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal the program and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
