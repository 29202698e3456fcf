"""Ends a process whose event loop stands still, so that its supervisor starts it again.

Such a process answers nothing, and no timeout of its loop fires. Its Kafka group gives its partitions to
others after the session timeout, but the process itself would stay as it is for ever.
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
"""Longer than all that may block a loop for good reasons (a full garbage collection, on a busy machine), and
than the session timeout of the Kafka group: by then others have the partitions."""
EXIT_CODE = 70
"""`EX_SOFTWARE` of sysexits.h."""

_TICKS = 15
_LOG_TIMEOUT_S = 2.0
_FRAMES_MAX = 40


async def watched(work: Coroutine[Any, Any, T], stall_max_s: float = STALL_MAX_S) -> T:
    """Do `work`, and end the process when the running loop stands still for `stall_max_s` meanwhile."""
    watchdog = Watchdog(stall_max_s)
    watchdog.start()
    try:
        return await work
    finally:
        watchdog.stop()


class Watchdog:
    """A thread that expects a heartbeat of the event loop at each of its ticks. Use it in the loop's thread.

    It counts its own ticks, not seconds: while the whole process is suspended (SIGSTOP, a laptop that sleeps)
    or gets no CPU, it makes none. A call in C that keeps the GIL stops this thread too, and goes unnoticed.
    """

    def __init__(self, stall_max_s: float) -> None:
        self._stall_max_s = stall_max_s
        self._tick_s = stall_max_s / _TICKS
        self._beats = 0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch the running loop."""
        self._beat()
        thread_id = threading.get_ident()
        threading.Thread(target=self._watch, args=(thread_id,), name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def _beat(self) -> None:
        self._beats += 1
        if not self._stopped.is_set():
            asyncio.get_running_loop().call_later(self._tick_s, self._beat)

    def _watch(self, loop_thread_id: int) -> None:
        beats, missed = self._beats, 0
        while not self._stopped.wait(self._tick_s):
            missed = missed + 1 if self._beats == beats else 0
            beats = self._beats
            if missed >= _TICKS:
                _end_process(self._stall_max_s, loop_thread_id)


def _end_process(stalled_s: float, loop_thread_id: int) -> None:
    stack = traceback.format_stack(sys._current_frames().get(loop_thread_id), _FRAMES_MAX)
    sentence = "the event loop has stood still for %g s; this process ends; the loop is at\n%s"
    # In a thread of its own: the loop may stand still because nobody reads its log, and holds the log's lock.
    writing = threading.Thread(target=log.critical, args=(sentence, stalled_s, "".join(stack)), daemon=True)
    writing.start()
    writing.join(_LOG_TIMEOUT_S)
    os._exit(EXIT_CODE)
