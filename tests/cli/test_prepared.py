"""When a start may let services go on before topics and tables were looked at."""

import os
from pathlib import Path

import pytest

from cli.config.data_folder import DataFolder
from cli.errors import ConcordError
from cli.launcher import provisioning_step
from cli.launcher.provisioning_cache import fingerprint, is_prepared, remember_prepared
from cli.launcher.provisioning_step import ProvisioningStep
from cli.launcher.start_gate import StartGate, wait_until_open
from tests.support.polling import eventually


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    """A data folder with what identifies a Kafka and a Postgres."""
    folder = DataFolder(tmp_path)
    (tmp_path / "kafka" / "log").mkdir(parents=True)
    (tmp_path / "kafka" / "log" / "meta.properties").write_text("version=1\ncluster.id=one\n")
    (tmp_path / "postgres" / "data" / "global").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "global" / "pg_control").write_bytes(b"12345678rest")
    folder.records.folder.mkdir()
    return folder


def test_it_is_known_only_after_it_succeeded(data: DataFolder) -> None:
    assert not is_prepared({}, data)
    remember_prepared({}, data)
    assert is_prepared({}, data)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("kafka/log/meta.properties", b"cluster.id=two\n"),
        ("postgres/data/global/pg_control", b"87654321rest"),
    ],
)
def test_another_kafka_or_postgres_is_not_prepared(data: DataFolder, file: str, content: bytes) -> None:
    remember_prepared({}, data)
    (data.root / file).write_bytes(content)
    assert not is_prepared({}, data)
    (data.root / file).unlink()
    assert fingerprint({}, data) is None
    assert not is_prepared({}, data)


def test_another_number_of_partitions_is_not_prepared(data: DataFolder) -> None:
    remember_prepared({"KAFKA_PARTITIONS": "6"}, data)
    assert not is_prepared({"KAFKA_PARTITIONS": "12"}, data)


def prepare_by(code: str, data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> ProvisioningStep:
    """A preparation whose program is a line of shell."""
    monkeypatch.setattr(provisioning_step, "concord_command", lambda: ["/bin/sh", "-c", code])
    return ProvisioningStep(os.environ, data, StartGate(data.records.folder, "parts"), embedded=True)


def test_a_success_is_remembered(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_by("exit 0", data, monkeypatch)
    assert not first.is_cached
    first.start()
    eventually(first.finished, 10)
    assert prepare_by("exit 0", data, monkeypatch).is_cached


def test_a_failure_is_a_sentence_and_forgotten(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_prepared(os.environ, data)
    failing = prepare_by("echo the broker is away; exit 1", data, monkeypatch)
    assert failing.is_cached
    failing.start()
    with pytest.raises(ConcordError, match=r"Preparing topics and tables failed[\s\S]+the broker is away"):
        eventually(failing.finished, 10)
    assert not is_prepared(os.environ, data)


def test_a_late_failure_is_said_once(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    failing = prepare_by("exit 1", data, monkeypatch)
    failing.start()

    def heard() -> bool:
        failing.report_late_failure(said.append)
        return bool(said)

    eventually(heard, 10)
    failing.report_late_failure(said.append)
    assert len(said) == 1


def test_a_gate_lets_pass_when_it_is_open(tmp_path: Path) -> None:
    gate = StartGate(tmp_path, "parts")
    gate.open()
    wait_until_open(gate.variable())
    wait_until_open({})
    gate.close()
    assert not gate.path.exists()
