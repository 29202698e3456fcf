"""`concord infra up` with settings that it refuses: one sentence each, before anything starts."""

import socket
from pathlib import Path

import pytest

from cli.config.ports import LOOPBACK
from tests.cli.running import concord, environment

# Seconds; on an idle machine each takes a tenth of it.
pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("setting", ["CONCORD_KAFKA_PORT", "CONCORD_POSTGRES_PORT"])
def test_a_taken_port_is_one_sentence_before_anything_starts(tmp_path: Path, setting: str) -> None:
    env = environment(tmp_path / "data")
    with socket.create_server((LOOPBACK, int(env[setting]))):
        done = concord("infra", "up", env=env)
    assert done.returncode == 1
    assert f"Port {env[setting]} ({setting}) is taken" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert not (tmp_path / "data" / "kafka").exists()


def test_the_same_port_twice_is_one_sentence(tmp_path: Path) -> None:
    env = environment(tmp_path / "data", CONCORD_KAFKA_PORT="20001", CONCORD_POSTGRES_PORT="20001")
    done = concord("infra", "up", env=env)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert "CONCORD_KAFKA_PORT and CONCORD_POSTGRES_PORT are both 20001" in done.stdout


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = concord("infra", "up", env=environment(tmp_path / "file" / "data"))
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert "cannot be written" in done.stdout
    assert "CONCORD_DATA" in done.stdout


def test_a_setting_that_makes_no_sense_is_one_sentence(tmp_path: Path) -> None:
    done = concord("infra", "up", env=environment(tmp_path / "data", CONCORD_KAFKA_PORT="99999"))
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert "CONCORD_KAFKA_PORT must be a whole number from 1 to 65535, not '99999'" in done.stdout
