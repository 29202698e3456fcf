"""The life of several `concord up`, and of one that is killed or given outside services."""

import os
import signal
from pathlib import Path

import pytest

from cli.commands.demo_client import Person
from cli.config.data_folder import DataFolder
from cli.config.environment import complete
from cli.processes.registry import Records
from tests.cli.running import PORTS, concord, environment, nothing_left, processes_of, running
from tests.support.polling import eventually

# Seconds; on an idle machine each takes a tenth of it.
pytestmark = pytest.mark.timeout(300)
SERVICES = ("auth", "file", "gateway", "message", "server")


def all_ready(env: dict[str, str]) -> bool:
    return concord("status", env=env).returncode == 0


def test_two_side_by_side_leave_each_other_alone(tmp_path: Path) -> None:
    one, two = environment(tmp_path / "one"), environment(tmp_path / "two")
    with (
        running("up", env=one, output=tmp_path / "out1") as first,
        running("up", env=two, output=tmp_path / "out2") as second,
    ):
        for up in (first, second):
            up.wait_for("Ctrl-C stops everything.", timeout_s=100)
        for env in (one, two):
            assert concord("demo", env=env).returncode == 0
        others = {name: second.records.find(name) for name in (*SERVICES, "kafka", "postgres", "up")}
        assert None not in others.values()
        assert first.stop() == 0
        assert nothing_left(tmp_path / "one")
        assert {name: second.records.find(name) for name in others} == others  # not even restarted
        assert all_ready(two)
        assert concord("demo", env=two).returncode == 0
        assert concord("status", env=one).returncode == 3
        assert second.stop() == 0
        assert nothing_left(tmp_path / "two")


def test_accounts_outlive_a_kill_of_everything_that_watches(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    records = Records(tmp_path / "data" / "run")
    base = f"http://localhost:{env['GATEWAY_PORT']}"
    try:
        first = concord("up", "--detach", env=env, timeout_s=120)
        assert first.returncode == 0, first.stdout
        assert "runs in the background" in first.stdout
        ada = Person(base, "Ada", "ada@example.org", "a long password")
        server = ada.call("POST", "/api/servers", {"name": "kept"})
        watcher = records.find("up")
        assert watcher is not None
        os.kill(watcher.pid, signal.SIGKILL)
        eventually(lambda: records.find("up") is None, 5)

        second = concord("up", "--detach", env=env, timeout_s=120)
        assert second.returncode == 0, second.stdout
        assert "auth, file, gateway, message, server, kafka, postgres, s3" in second.stdout
        assert ada.call("GET", "/api/auth/me")["name"] == "Ada"
        assert [item["id"] for item in ada.call("GET", "/api/servers")["items"]] == [server["id"]]
        refused = concord("up", "--detach", env=env)
        assert refused.returncode == 1
        assert "in use by another Concord" in refused.stdout
    finally:
        down = concord("down", env=env)
        for pid in processes_of(tmp_path / "data"):
            os.kill(pid, signal.SIGKILL)
    assert (down.returncode, down.stdout) == (0, "Stopped\n")
    assert nothing_left(tmp_path / "data")


def test_a_service_that_cannot_start_is_said_with_the_end_of_its_log(tmp_path: Path) -> None:
    env = environment(tmp_path / "data", RATE_LIMIT_PER_MINUTE="many", CALL_TIMEOUT_MS="never")
    done = concord("up", env=env, timeout_s=120)
    assert done.returncode == 1
    assert "CALL_TIMEOUT_MS" in done.stdout
    assert "Traceback" not in done.stdout
    assert nothing_left(tmp_path / "data")


def test_everything_outside_is_used_and_left_alone(tmp_path: Path) -> None:
    outside, env = environment(tmp_path / "outside"), environment(tmp_path / "data")
    with running("infra", "up", env=outside, output=tmp_path / "out1") as infra:
        infra.wait_for("Ready after")
        parts = DataFolder(tmp_path / "outside")
        named = complete({}, parts, *(int(outside[name]) for name in PORTS[:3]))
        del named["CONCORD_DATA"]
        with running("up", env={**env, **named}, output=tmp_path / "out2") as up:
            up.wait_for("Ctrl-C stops everything.", timeout_s=100)
            assert concord("demo", env=env).returncode == 0
            assert sorted(record.name for record in up.records.all()) == [*SERVICES, "up"]
            assert not (tmp_path / "data" / "kafka").exists()
            assert not (tmp_path / "data" / "postgres").exists()
            assert not (tmp_path / "data" / "s3").exists()
            assert up.stop() == 0
        assert all_ready(outside)
