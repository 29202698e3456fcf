"""Whatever workers of a run of tests start ends with it, also when one was killed while it stopped things.

The process above the workers becomes the parent of all orphans below it (prctl(2), PR_SET_CHILD_SUBREAPER),
so that it can find them. Only Linux has that; elsewhere nothing is found.
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
    """From now on, processes below this one whose parent ends are this one's children.

    As init would, it lets go of those that have ended: tests look for what is still there. A process that
    waits for children of its own must not do this.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        threading.Thread(target=_let_go_for_ever, daemon=True).start()


def end_all_below() -> list[str]:
    """End every process below this one, kindly and then by force; the command lines of those that ran."""
    found = {pid: command for pid in below(os.getpid()) if (command := _command(pid))}
    for number, patience_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, 1.0)):
        until = time.monotonic() + patience_s
        for pid in running(list(found)):
            _send(pid, number)
        while running(list(found)) and time.monotonic() < until:
            time.sleep(0.1)
    return list(found.values())


def running(pids: list[int]) -> list[int]:
    """Those that have not ended."""
    _let_go()
    return [pid for pid in pids if _command(pid)]


def below(*roots: int) -> list[int]:
    """Every process that one of these started, or that one of those did, as far as its parent lives."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(place.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(place.parent.name))
    found, waiting = [], list(roots)
    while waiting:
        started = children.get(waiting.pop(), [])
        found += started
        waiting += started
    return found


def _command(pid: int) -> str:
    """Its command line; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it has ended meanwhile
        return


def _let_go_for_ever() -> None:
    while True:
        _let_go()
        time.sleep(0.05)


def _let_go() -> None:
    with suppress(ChildProcessError):  # there are none at the moment
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
