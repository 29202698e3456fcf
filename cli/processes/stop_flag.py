"""SIGINT, SIGTERM and SIGHUP as a flag that a loop can wait on."""

import signal
import threading
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopFlag(threading.Event):
    """An event that the first of these signals sets; create it in the main thread."""

    def __init__(self) -> None:
        super().__init__()
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.set()
