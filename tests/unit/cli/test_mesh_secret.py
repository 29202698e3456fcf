"""The secret of the mesh: made once for what is embedded, asked for where Kafka is somebody else's."""

from pathlib import Path

import pytest

from cli.config.data_folder import DataFolder
from cli.config.environment import check_secret, complete
from cli.config.secrets import load_secrets
from cli.errors import ConcordError
from shared.kit.config.settings import SECRET_MIN_CHARS


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


def test_an_embedded_kafka_has_one_that_stays(data: DataFolder) -> None:
    first = complete({}, data, 1, 2, 3)["MESH_SECRET"]
    assert len(first) >= SECRET_MIN_CHARS
    assert complete({}, data, 1, 2, 3)["MESH_SECRET"] == first
    assert (data.root / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_what_the_environment_names_counts(data: DataFolder) -> None:
    assert complete({"MESH_SECRET": "mine"}, data, 1, 2, 3)["MESH_SECRET"] == "mine"


def test_a_data_folder_from_before_gets_one(data: DataFolder) -> None:
    (data.root / "secrets.json").write_text('{"auth": "a", "server": "b", "message": "c"}')
    made = load_secrets(data.root)
    assert made["auth"] == "a"
    assert made["mesh"] == load_secrets(data.root)["mesh"]


def test_an_outside_kafka_is_shared_so_its_secret_must_be_named(data: DataFolder) -> None:
    outside = {"KAFKA_BOOTSTRAP_SERVERS": "k:9092"}
    assert "MESH_SECRET" not in complete(outside, data, 1, 2, 3)
    with pytest.raises(ConcordError, match="MESH_SECRET"):
        check_secret(outside)
    check_secret(outside | {"MESH_SECRET": "x" * 32})
    check_secret({})
