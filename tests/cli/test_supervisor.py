"""Keeping children alive: bounded, said, in order."""

import sys
import time
from pathlib import Path

from cli.errors import ConcordError
from cli.processes.child import Child, rotate
from cli.processes.registry import PART, SERVICE, Records
from cli.processes.supervisor import FIRST_PAUSE_S, STOP_WITHIN_S, Supervisor
from shared.kit.runtime.watchdog import EXIT_CODE
from tests.support.polling import eventually
from tests.unit.kit.runtime import stalling

FOREVER = [sys.executable, "-c", "import time; time.sleep(60)"]
AT_ONCE = [sys.executable, "-c", "raise SystemExit(3)"]
IGNORE = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
STUBBORN = [sys.executable, "-c", IGNORE]


class Program:
    """The simplest part: any command line."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.command = command
        self.log = folder / f"{name}.log"
        self.child: Child | None = None
        self.starts: list[float] = []

    def start(self, say: object) -> None:
        self.starts.append(time.monotonic())
        if not self.command:
            raise ConcordError("no command")
        self.child = Child(self.name, self.command, self.log)
        self.child.start()

    def ready(self) -> bool:
        return self.child is not None and self.child.running()


def test_the_pauses_before_new_starts_grow(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(Records(tmp_path), said.append)
    part = Program("crasher", AT_ONCE, tmp_path)
    supervisor.watch(part, SERVICE)
    part.start(print)

    def three_starts() -> bool:
        supervisor.check(SERVICE)
        return len(part.starts) == 3

    eventually(three_starts, 20)
    first, second = part.starts[1] - part.starts[0], part.starts[2] - part.starts[1]
    assert first >= FIRST_PAUSE_S
    assert second >= 2 * FIRST_PAUSE_S
    assert supervisor.deaths("crasher") >= 2
    assert "crasher died (exit code 3); it is started again in 0.5 s" in said[0]
    assert str(part.log) in said[0]


def test_a_start_that_fails_is_said_and_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(Records(tmp_path), said.append)
    part = Program("part", AT_ONCE, tmp_path)
    supervisor.watch(part, PART)
    part.start(print)
    part.command = []

    def refused() -> bool:
        supervisor.check(PART)
        return any("could not be started: no command" in line for line in said)

    eventually(refused, 10)
    part.command = FOREVER

    def alive() -> bool:
        supervisor.check(PART)
        return part.ready()

    eventually(alive, 10)
    assert said[-1] == "part runs again"
    supervisor.stop()
    assert not part.ready()


def test_who_was_not_asked_about_is_left_alone(tmp_path: Path) -> None:
    supervisor = Supervisor(Records(tmp_path), print)
    part = Program("part", AT_ONCE, tmp_path)
    supervisor.watch(part, PART)
    part.start(print)
    eventually(lambda: not part.ready(), 10)
    time.sleep(FIRST_PAUSE_S * 2)
    supervisor.check(SERVICE)
    assert len(part.starts) == 1


def test_a_stop_ends_even_who_does_not_want_to(tmp_path: Path) -> None:
    supervisor = Supervisor(Records(tmp_path), print, {SERVICE: 1.0, PART: 0.5})
    parts = [Program("one", STUBBORN, tmp_path), Program("two", STUBBORN, tmp_path)]
    for part, kind in zip(parts, (SERVICE, PART), strict=True):
        supervisor.watch(part, kind)
        part.start(print)
    eventually(lambda: all("on" in part.log.read_text() for part in parts), 10)  # now they ignore the signal
    began = time.monotonic()
    supervisor.stop()
    assert 1.5 <= time.monotonic() - began < 5
    assert not any(part.ready() for part in parts)


def test_the_bounds_leave_room_within_ten_seconds() -> None:
    assert list(STOP_WITHIN_S) == [SERVICE, PART]
    assert sum(STOP_WITHIN_S.values()) < 9


def test_a_log_that_grows_is_cut_while_it_is_written(tmp_path: Path) -> None:
    code = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(0.001)"
    part = Program("writer", [sys.executable, "-c", code], tmp_path)
    part.start(print)
    assert part.child is not None
    try:
        eventually(lambda: part.log.stat().st_size > 5000, 10)
        rotate(part.log, limit_bytes=5000)
        assert part.log.with_name("writer.log.1").stat().st_size > 5000
        eventually(lambda: part.log.stat().st_size > 100, 10)
        assert b"\0" not in part.log.read_bytes()  # no hole where the old text was
    finally:
        part.child.kill()


def test_a_process_whose_event_loop_stood_still_is_started_again(tmp_path: Path) -> None:
    reports: list[str] = []
    supervisor = Supervisor(Records(tmp_path), reports.append)
    part = Program("stalling", [sys.executable, "-m", stalling.__name__, "sleeping"], tmp_path)
    supervisor.watch(part, SERVICE)
    part.start(print)

    def two_starts() -> bool:
        supervisor.check(SERVICE)
        return len(part.starts) == 2

    eventually(two_starts, 30)
    supervisor.stop()
    assert f"stalling died (exit code {EXIT_CODE}); it is started again" in reports[0]
    assert "the event loop has been blocked" in part.log.read_text()
