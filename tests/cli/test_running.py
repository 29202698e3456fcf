"""The processes that belong to a data folder, as the other tests find them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.processes.identity import start_mark
from cli.processes.registry import SERVICE, Record, Records
from tests.cli.running import nothing_left, processes_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

HIDDEN = (sys.executable, "-c", "print(flush=True); input()")
PARENT = f"import subprocess; subprocess.run({HIDDEN!r}, env={{}})"


@pytest.fixture
def parent(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """It is of the folder by its environment; what it started is not."""
    command, environ = (sys.executable, "-c", PARENT), {**os.environ, "CONCORD_DATA": str(tmp_path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started
        started.kill()


def test_what_hides_its_environment_is_found_below_its_parent(
    parent: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    found = processes_of(tmp_path)
    assert len(found) == 2
    assert parent.pid in found
    assert processes_of(tmp_path / "other") == []


def test_or_on_record_when_its_parent_is_gone(parent: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    (hidden,) = set(processes_of(tmp_path)) - {parent.pid}
    Records(tmp_path / "run").write(Record("auth", SERVICE, hidden, start_mark(hidden) or ""))
    parent.kill()
    parent.wait()
    assert processes_of(tmp_path) == [hidden]
    assert not nothing_left(tmp_path)
