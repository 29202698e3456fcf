"""A child process in its own session, with its output in a log file."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

ROTATE_AT_BYTES = 20_000_000


class Child:
    """A process with a name and a log; in its own session, so that the terminal's Ctrl-C misses it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        on_start: Callable[["Child"], None] = lambda _: None,
        uid: int | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(os.environ if env is None else env)
        self.stop_signal = stop_signal
        self._on_start = on_start
        self._uid = uid
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; only after `start`."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        rotate(self.log)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                start_new_session=True,
                **popen_user(self._uid),
            )
        self._on_start(self)

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs or if it never started."""
        return None if self._process is None else self._process.poll()

    def running(self) -> bool:
        """Return True if the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask_to_stop(self) -> None:
        """Send the stop signal and return at once."""
        if self.running():
            os.kill(self.pid, self.stop_signal)

    def stop(self, timeout_s: float = 8.0, ask: bool = True) -> None:
        """Send the stop signal if `ask`, wait up to `timeout_s`, then kill the whole session."""
        if self._process is None:
            return
        if ask:
            self.ask_to_stop()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the process and all of its session, and wait for its end."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_lines(self, count: int = 5) -> str:
        """Return the end of the log, for an error message: without the frames of Java's stack traces."""
        lines = tail(self.log, 200).splitlines()
        return "\n".join([line for line in lines if not line.startswith("\t")][-count:])


class PopenUser(TypedDict, total=False):
    """The arguments of Popen that start a program as another user."""

    user: int
    group: int
    extra_groups: list[int]
    cwd: str


def popen_user(uid: int | None) -> PopenUser:
    """Return no arguments for the current user; another user starts in a folder that all may enter."""
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": [], "cwd": "/"}


def tail(log: Path, count: int) -> str:
    """Return the last `count` lines of a log file; an empty text if there is none."""
    try:
        with log.open("rb") as handle:
            begin, step, text = handle.seek(0, os.SEEK_END), 16_384, b""
            while begin > 0 and text.count(b"\n") <= count:
                begin, step = max(0, begin - step), 2 * step
                handle.seek(begin)
                text = handle.read()
    except OSError:
        return ""
    lines = text.decode(errors="replace").splitlines()
    return "\n".join(lines[max(0, len(lines) - count) :])


def rotate(log: Path, limit_bytes: int = ROTATE_AT_BYTES) -> None:
    """Copy a log that has grown beyond its limit to `NAME.1` and truncate it.

    Its writer has it open for appending and continues at the new beginning; lines written between the copy
    and the truncation are lost.
    """
    if log.exists() and log.stat().st_size > limit_bytes:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)
