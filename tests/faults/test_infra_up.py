"""The life of `concord infra up`: starts, signals, kills, and the processes and data that it leaves."""

import os
import signal
import time
from pathlib import Path

import pytest

from cli.config.ports import LOOPBACK
from cli.config.secrets import load_secrets
from cli.embedded.databases import run_sql
from cli.embedded.kafka_probe import serves
from tests.cli.running import Running, concord, environment, nothing_left, running, scaled_s
from tests.support.polling import eventually

# Seconds; on an idle machine each takes a tenth of it.
pytestmark = pytest.mark.timeout(240)


def server_url(env: dict[str, str]) -> str:
    """The URL of the server service's database in a data folder."""
    password = load_secrets(Path(env["CONCORD_DATA"]))["server"]
    return f"postgresql://server:{password}@{LOOPBACK}:{env['CONCORD_POSTGRES_PORT']}/server"


def kafka_serves(env: dict[str, str]) -> bool:
    return serves(LOOPBACK, int(env["CONCORD_KAFKA_PORT"]))


def pid_of(infra: Running, name: str) -> int:
    record = infra.records.find(name)
    assert record is not None
    return record.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_of_it(tmp_path: Path, number: signal.Signals) -> None:
    env = environment(tmp_path / "data")
    with running("infra", "up", env=env, output=tmp_path / "out") as infra:
        infra.wait_for("Ready after")
        assert kafka_serves(env)
        assert run_sql(server_url(env), "SELECT current_user;") == "server"
        status = concord("status", env=env)
        assert status.returncode == 0
        assert "kafka" in status.stdout
        began = time.monotonic()
        assert infra.stop(number) == 0
        assert time.monotonic() - began < scaled_s(10)
        assert nothing_left(tmp_path / "data")
    assert concord("status", env=env).returncode == 3


def test_after_a_kill_the_next_start_cleans_up_and_has_the_data(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with running("infra", "up", env=env, output=tmp_path / "out") as infra:
        infra.wait_for("Ready after")
        run_sql(server_url(env), "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7);")
        infra.process.kill()
        infra.process.wait()
        assert kafka_serves(env)  # its children live on in sessions of their own
        with running("infra", "up", env=env, output=tmp_path / "out2") as second:
            second.wait_for("Ready after")
            assert "Stopped what a killed Concord had left running here: kafka, postgres" in second.output()
            assert run_sql(server_url(env), "SELECT id FROM kept;") == "7"
            assert second.stop() == 0
    assert nothing_left(tmp_path / "data")


def test_down_stops_what_a_killed_one_left(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with running("infra", "up", env=env, output=tmp_path / "out") as infra:
        infra.wait_for("Ready after")
        infra.process.kill()
        infra.process.wait()
        done = concord("down", env=env)
        assert done.returncode == 0
        assert "kafka, postgres" in done.stdout
        assert nothing_left(tmp_path / "data")


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_what_dies_is_started_again_and_said(tmp_path: Path, name: str) -> None:
    env = environment(tmp_path / "data")
    with running("infra", "up", env=env, output=tmp_path / "out") as infra:
        infra.wait_for("Ready after")
        os.kill(pid_of(infra, name), signal.SIGKILL)
        infra.wait_for(f"{name} died (signal 9)")
        infra.wait_for(f"{name} runs again")
        eventually(lambda: concord("status", env=env).returncode == 0, 30, infra.output)
        assert kafka_serves(env)
        assert run_sql(server_url(env), "SELECT 1;") == "1"


def test_a_second_one_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with running("infra", "up", env=env, output=tmp_path / "out") as infra:
        infra.wait_for("Ready after")
        second = concord("infra", "up", env={**env, "CONCORD_KAFKA_PORT": "20001"})
        assert second.returncode == 1
        assert f"in use by another Concord (pid {infra.process.pid})" in second.stdout
        assert "concord down" in second.stdout
        assert kafka_serves(env)


def test_a_signal_during_the_start_stops_it_too(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with running("infra", "up", env=env, output=tmp_path / "out") as infra:
        eventually(lambda: (tmp_path / "data" / "run" / "kafka.json").exists(), 30, infra.output)
        infra.stop()
        assert "Ready" not in infra.output()
        eventually(lambda: nothing_left(tmp_path / "data"))


def test_outside_services_are_not_embedded(tmp_path: Path, kafka_bootstrap: str) -> None:
    env = environment(tmp_path / "data", KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap)
    with running("infra", "up", env=env, output=tmp_path / "out") as infra:
        infra.wait_for("Ready after")
        assert infra.records.find("kafka") is None
        assert infra.records.find("postgres") is not None
        assert f"KAFKA_BOOTSTRAP_SERVERS={kafka_bootstrap}" in infra.output()
