"""Orphans of test workers end with the test run, even if a worker was killed while it stopped processes.

The controller of the workers becomes the parent of all orphans below it (prctl(2), PR_SET_CHILD_SUBREAPER),
so that it can find them. This works on Linux only; elsewhere no orphan is found.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
_GRACE_S = 8.0


def adopt_orphans() -> None:
    """Make this process the parent of all processes below it whose own parent ends.

    Like init, it reaps those that have ended, because tests look for running processes. A process that waits
    for its own children must not call this.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        threading.Thread(target=_reap_forever, daemon=True).start()


def end_all_below() -> list[str]:
    """End all processes below this one by SIGTERM, then SIGKILL; return their command lines."""
    commands = {pid: command for pid in below(os.getpid()) if (command := _command(pid))}
    for number, patience_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, 1.0)):
        until = time.monotonic() + patience_s
        for pid in running(list(commands)):
            _send(pid, number)
        while running(list(commands)) and time.monotonic() < until:
            time.sleep(0.1)
    return list(commands.values())


def running(pids: list[int]) -> list[int]:
    """Return the processes that have not ended."""
    _reap()
    return [pid for pid in pids if _command(pid)]


def below(*roots: int) -> list[int]:
    """Return all descendants of these processes whose ancestors are alive."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    descendants, waiting = [], list(roots)
    while waiting:
        started = children.get(waiting.pop(), [])
        descendants += started
        waiting += started
    return descendants


def _command(pid: int) -> str:
    """Return the command line; empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it has ended meanwhile
        return


def _reap_forever() -> None:
    while True:
        _reap()
        time.sleep(0.05)


def _reap() -> None:
    with suppress(ChildProcessError):  # no child at the moment
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
