"""Names of processes: no two living ones share one, and the name of a dead one is free."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.kit.runtime.instance_id import Instance

PROGRAM = """
import sys
from shared.kit.runtime.instance_id import Instance
instance = Instance(sys.argv[1])
print(instance.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


class Process:
    """A process that holds a name until its end."""

    def __init__(self, service: str) -> None:
        command = [sys.executable, "-c", PROGRAM, service]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def name(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.communicate()


def test_processes_that_start_together_have_different_names() -> None:
    processes = [Process("message") for _ in range(6)]
    names = [process.name for process in processes]
    for process in processes:
        process.kill()
    assert len(set(names)) == 6
    assert all(names)


def test_the_name_of_a_killed_process_is_free_at_once() -> None:
    first, second = Process("message"), Process("message")
    names = {first.name, second.name}
    first.kill()
    third = Process("message")
    assert third.name in names
    for process in (second, third):
        process.kill()


def test_two_of_one_process_differ_and_services_do_not_meet() -> None:
    one, two, other = Instance("message"), Instance("message"), Instance("auth")
    assert one.name != two.name
    assert other.name == one.name


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: foreign)
    (tmp_path / f"concord-instances-{foreign}").mkdir()
    with pytest.raises(RuntimeError, match="belongs to another user"):
        Instance("message")


def test_a_name_that_was_set_is_taken_as_it_is() -> None:
    assert Instance("message", "pod-7").name == "pod-7"
