"""`concord up` with all services, once; and the commands that find nothing to do."""

import os
import signal
from pathlib import Path

import pytest

from tests.cli.running import concord, environment, nothing_left, running
from tests.support.polling import eventually

# Seconds; on an idle machine each takes a tenth of it.
pytestmark = pytest.mark.timeout(300)
SERVICES = ("auth", "file", "gateway", "message", "server")


def all_ready(env: dict[str, str]) -> bool:
    return concord("status", env=env).returncode == 0


def test_a_day_with_concord(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    base = f"http://localhost:{env['GATEWAY_PORT']}"
    with running("up", env=env, output=tmp_path / "out") as up:
        up.wait_for("Ctrl-C stops everything.", timeout_s=100)
        for text in (
            f"{base}/api/docs",
            f"{base}/api/asyncapi",
            "curl -X POST",
            str(tmp_path / "data" / "logs"),
        ):
            assert text in up.output()
        status = concord("status", env=env)
        assert status.returncode == 0, status.stdout
        names = [line.split()[0] for line in status.stdout.splitlines()[1:]]
        assert names == sorted([*SERVICES, "kafka", "postgres", "s3", "up"])

        demo = concord("demo", env=env)
        assert demo.returncode == 0, demo.stdout
        assert "2. Is there any oolong left? (edited)" in demo.stdout
        assert "wrong window" not in demo.stdout.partition("The history")[2]

        record = up.records.find("message")
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        up.wait_for("message died (signal 9)")
        up.wait_for("message runs again")
        eventually(lambda: all_ready(env), 60, up.output)
        assert concord("demo", env=env).returncode == 0

        logs = concord("logs", "message", "-n", "1000", env=env)
        assert logs.returncode == 0
        assert logs.stdout.count("ready") >= 2
        assert "kafka     | " in concord("logs", env=env).stdout

        with running("run", "server", env=env, output=tmp_path / "second", sweep=False) as second:
            eventually(lambda: concord("status", env=env).stdout.count("server") == 2, 60, second.output)
            eventually(lambda: all_ready(env), 60, second.output)
            assert second.stop() == 0
        assert "server-" not in concord("status", env=env).stdout

        assert up.stop() == 0
        assert nothing_left(tmp_path / "data")


def test_an_unknown_service_is_one_sentence(tmp_path: Path) -> None:
    done = concord("run", "kitchen", env=environment(tmp_path / "data"))
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert "There is no service 'kitchen': there are gateway, auth, server, message, file" in done.stdout


def test_a_service_without_any_kafka_is_one_sentence(tmp_path: Path) -> None:
    for arguments in (("run", "auth"), ("prepare",)):
        done = concord(*arguments, env=environment(tmp_path / "data"))
        assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
        assert "concord infra up" in done.stdout


def test_a_demo_without_a_gateway_is_one_sentence(tmp_path: Path) -> None:
    done = concord("demo", env=environment(tmp_path / "data"))
    assert done.returncode == 1
    assert "start it with `concord up`" in done.stdout.splitlines()[-1]


def test_nothing_runs_nothing_stops(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    assert (concord("down", env=env).returncode, concord("status", env=env).returncode) == (0, 3)
    assert concord("logs", env=env).returncode == 1
