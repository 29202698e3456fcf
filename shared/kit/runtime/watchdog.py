"""A watchdog that ends a process whose event loop is blocked, so that its supervisor restarts it.

Such a process answers nothing, and no timeout of its loop fires. Its Kafka group reassigns its partitions
after the session timeout, but the process itself would stay blocked forever.
"""

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

STALL_MAX_S = 15.0
"""Longer than any legitimate block of a loop (a full garbage collection on a busy machine), and than the
session timeout of the Kafka group: by then others have the partitions."""
EXIT_CODE = 70
"""`EX_SOFTWARE` of sysexits.h."""

_TICKS = 15
_LOG_TIMEOUT_S = 2.0
_FRAMES_MAX = 40


async def watched(work: Coroutine[Any, Any, T], stall_max_s: float = STALL_MAX_S) -> T:
    """Run `work`; end the process if the running loop is blocked for `stall_max_s` seconds meanwhile."""
    watchdog = Watchdog(stall_max_s)
    watchdog.start()
    try:
        return await work
    finally:
        watchdog.stop()


class Watchdog:
    """A thread that expects a heartbeat of the event loop at each of its ticks. Use it in the loop's thread.

    It counts its own ticks, not seconds: it makes none while the whole process is suspended (SIGSTOP, a
    sleeping laptop) or gets no CPU. A C call that holds the GIL stops this thread too and goes unnoticed.
    """

    def __init__(self, stall_max_s: float) -> None:
        self._stall_max_s = stall_max_s
        self._tick_s = stall_max_s / _TICKS
        self._heartbeats = 0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start to watch the running loop."""
        self._heartbeat()
        thread_id = threading.get_ident()
        threading.Thread(target=self._watch, args=(thread_id,), name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _heartbeat(self) -> None:
        self._heartbeats += 1
        if not self._stopped.is_set():
            asyncio.get_running_loop().call_later(self._tick_s, self._heartbeat)

    def _watch(self, loop_thread_id: int) -> None:
        heartbeats, missed = self._heartbeats, 0
        while not self._stopped.wait(self._tick_s):
            missed = missed + 1 if self._heartbeats == heartbeats else 0
            heartbeats = self._heartbeats
            if missed >= _TICKS:
                _end_process(self._stall_max_s, loop_thread_id)


def _end_process(stalled_s: float, loop_thread_id: int) -> None:
    stack = traceback.format_stack(sys._current_frames().get(loop_thread_id), _FRAMES_MAX)
    message = "the event loop has been blocked for %g s; this process ends; the loop is at\n%s"
    # In another thread: the loop may be blocked by a full log pipe, and then holds the lock of the log.
    writing = threading.Thread(target=log.critical, args=(message, stalled_s, "".join(stack)), daemon=True)
    writing.start()
    writing.join(_LOG_TIMEOUT_S)
    os._exit(EXIT_CODE)
