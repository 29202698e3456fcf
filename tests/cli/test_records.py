"""Records: a pid alone proves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.processes.identity import command_words, ps_column, start_mark
from cli.processes.orphans import stop_orphans
from cli.processes.registry import INFRASTRUCTURE, SERVICE, Record, Records, own_record

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)", "sleeper"]
STUBBORN = "import signal,time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that could be mistaken for a leftover."""
    process = subprocess.Popen(SLEEPER)
    yield process
    process.kill()
    process.wait()


def record_of(pid: int) -> Record:
    return Record("kafka", INFRASTRUCTURE, pid, start_mark(pid) or "", ("sleeper",), 1)


def test_a_recorded_process_is_stopped(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    records = Records(tmp_path)
    records.write(record_of(sleeper.pid))
    assert stop_orphans(records) == ["kafka"]
    assert sleeper.wait(5) == -signal.SIGTERM
    assert records.all() == []


@pytest.mark.parametrize("field", [{"started": "another boot:1"}, {"command_words": ("server.properties",)}])
def test_a_pid_that_is_someone_elses_by_now_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], field: dict[str, object]
) -> None:
    records = Records(tmp_path)
    records.write(replace(record_of(sleeper.pid), **field))  # type: ignore[arg-type]
    assert stop_orphans(records) == []
    assert sleeper.poll() is None
    assert list(tmp_path.glob("*.json")) == []


def test_what_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN, "sleeper"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"on\n"
    records = Records(tmp_path)
    records.write(record_of(process.pid))
    stop_orphans(records, timeout_s=0.5)
    assert process.wait(5) == -signal.SIGKILL
    process.stdout.close()


def test_services_stop_before_the_parts_that_they_need(tmp_path: Path) -> None:
    code = "import signal,sys,time\ndef stop(*_):\n time.sleep(0.3)\n print(time.monotonic())\n sys.exit()\n"
    code += "signal.signal(signal.SIGTERM, stop)\nprint('on', flush=True)\ntime.sleep(60)"
    records = Records(tmp_path)
    ended = {}
    processes = {
        kind: subprocess.Popen([sys.executable, "-c", code, "sleeper"], stdout=-1, text=True)
        for kind in (INFRASTRUCTURE, SERVICE)
    }
    for kind, process in processes.items():
        assert process.stdout is not None
        process.stdout.readline()
        records.write(replace(record_of(process.pid), name=kind, kind=kind))
    assert stop_orphans(records) == [SERVICE, INFRASTRUCTURE]
    for kind, process in processes.items():
        ended[kind] = float(process.communicate(timeout=5)[0])
    assert ended[INFRASTRUCTURE] - ended[SERVICE] >= 0.3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "kafka"}', '{"pid": 1, "command_words": 7}'])
def test_a_damaged_record_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "kafka.json").write_text(content)
    assert Records(tmp_path).all() == []
    assert Records(tmp_path).find("kafka") is None


def test_the_own_record_is_alive_and_names_the_command_line(tmp_path: Path) -> None:
    record = own_record("up", "command")
    assert record.alive()
    assert record.command_words == tuple(command_words(os.getpid()))
    assert not replace(record, pid=record.pid + 1).alive()


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert start_mark(process.pid) is None
    process.wait()


def test_systems_without_proc_ask_ps() -> None:
    assert ps_column(os.getpid(), "lstart")
    assert ps_column(2**22 + 1, "lstart") is None
