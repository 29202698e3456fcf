"""Orphans: recorded processes that a killed `concord up` left behind, and how to stop them."""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from cli.processes.registry import INFRASTRUCTURE, SERVICE, Record, Records

POLL_S = 0.05


def stop_orphans(records: Records, timeout_s: float = 6.0) -> list[str]:
    """Stop services, then infrastructure; kill them after `timeout_s`. Return the names of what ran."""
    names: list[str] = []
    for kind in (SERVICE, INFRASTRUCTURE):
        running = [record for record in records.all() if record.kind == kind]
        stop_all(running, timeout_s)
        for record in running:
            records.remove(record.name)
            names.append(record.name)
    return names


def stop_all(running: Sequence[Record], timeout_s: float) -> None:
    """Send each its stop signal, wait for all, kill the rest."""
    for record in running:
        send(record, record.stop_signal)
    if not wait_gone(running, timeout_s):
        for record in running:
            send(record, signal.SIGKILL)
        wait_gone(running, timeout_s)


def send(record: Record, number: int) -> None:
    """Signal the process, but only if it still is the recorded one."""
    if record.alive():
        with suppress(ProcessLookupError):
            os.kill(record.pid, number)


def wait_gone(running: Sequence[Record], timeout_s: float) -> bool:
    """Return True if all of them ended within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while any(record.alive() for record in running):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
