"""Without a secret, nothing that shares somebody's Kafka starts; and the sentence says what to do."""

from pathlib import Path

import pytest

from tests.cli.running import concord, environment


@pytest.mark.parametrize("command", [("up",), ("run", "gateway")])
def test_an_outside_kafka_takes_a_secret(tmp_path: Path, command: tuple[str, ...]) -> None:
    env = environment(tmp_path / "data", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", CONCORD_PREPARED="1")
    done = concord(*command, env=env)
    assert done.returncode == 1
    assert "MESH_SECRET" in done.stdout
    assert "openssl rand -base64 32" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_short_secret_is_refused_and_not_shown(tmp_path: Path) -> None:
    settings = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "CONCORD_PREPARED": "1", "MESH_SECRET": "hunter2"}
    done = concord("run", "gateway", env=environment(tmp_path / "data", **settings))
    assert done.returncode == 1
    assert "MESH_SECRET must have at least 32 characters" in done.stdout
    assert "hunter2" not in done.stdout
