"""Records which functions of the project a process enters. Standard library only, and nothing of the project.

A copy of this file, named `sitecustomize.py`, stands in a folder that `PYTHONPATH` names, so that every
Python process below `concord up` imports it when it starts. It acts in `concord run SERVICE` alone: SIGUSR1
begins a recording, SIGUSR2 ends it and writes it to `<folder>/<service>.json`.
"""

import dis
import json
import os
import signal
import sys
import threading
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

FOLDER, ROOT = "CONCORD_WALK_FOLDER", "CONCORD_WALK_ROOT"
ROOMS = ("apps", "shared", "migrations")
LOOP_BASES = (os.path.join("asyncio", "runners.py"), "threading.py")  # noqa: PTH118 - an end of a path
"""Functions below every callback of an event loop, and below every thread."""

Event = tuple[str, str, bool, str]
"""The file, the function, whether a coroutine was resumed, and the `file:function` in which the event loop
(or a thread) entered the project. Files are named from the root of the project."""


class Recorder:
    """Notes each function of the project that is entered while it is on."""

    def __init__(self, root: str) -> None:
        self.on = False
        self.events: list[Event] = []
        self._start = root.rstrip(os.sep) + os.sep
        self._rooms = tuple(f"{self._start}{room}{os.sep}" for room in ROOMS)

    def profile(self, frame: FrameType, event: str, argument: Any) -> None:
        """Be the profile function of a thread (`sys.setprofile`)."""
        if event == "call" and self.on and frame.f_code.co_filename.startswith(self._rooms):
            code = frame.f_code
            is_resumed = frame.f_lasti > first_resume(code)
            self.events.append((self._file(code), code.co_qualname, is_resumed, self._entry(frame)))

    def _entry(self, frame: FrameType) -> str:
        """Return the outermost function of the project below which this frame stands."""
        entry, above = frame.f_code, frame.f_back
        while above is not None and not above.f_code.co_filename.endswith(LOOP_BASES):
            if above.f_code.co_filename.startswith(self._rooms):
                entry = above.f_code
            above = above.f_back
        return f"{self._file(entry)}:{entry.co_qualname}"

    def _file(self, code: CodeType) -> str:
        return code.co_filename.removeprefix(self._start)


@cache
def first_resume(code: CodeType) -> int:
    """Return the offset at which a function begins; a coroutine is resumed at later ones."""
    return next((step.offset for step in dis.get_instructions(code) if step.opname == "RESUME"), -1)


def install(service: str, folder: Path, root: str) -> None:
    """Wait for the signals, and write the process id to `<folder>/<service>.pid`."""
    recorder = Recorder(root)
    threading.setprofile(recorder.profile)

    def begin(number: int, frame: FrameType | None) -> None:
        recorder.events = []
        sys.setprofile(recorder.profile)
        recorder.on = True

    def end(number: int, frame: FrameType | None) -> None:
        recorder.on = False
        sys.setprofile(None)
        _write(folder / f"{service}.json", json.dumps(recorder.events))

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    _write(folder / f"{service}.pid", str(os.getpid()))


def _write(path: Path, text: str) -> None:
    """Write a file so that it appears whole."""
    scratch = path.with_suffix(".tmp")
    scratch.write_text(text)
    scratch.rename(path)


if __name__ == "sitecustomize" and sys.orig_argv[-2:-1] == ["run"] and os.environ.get(FOLDER):
    install(sys.orig_argv[-1], Path(os.environ[FOLDER]), os.environ[ROOT])
