"""The file service's settings, and what is refused at start."""

import re
from typing import Any

import msgspec
import pytest

from apps.file.settings import FileSettings
from shared.kit.config.env import document, env_name
from shared.kit.config.settings import ProcessSettings, SettingsError, load
from tests.unit.kit.rpc.calls import SECRET

GOOD = {"MESH_SECRET": SECRET, "FILE_DATABASE_URL": "postgresql://file:secret@127.0.0.1:5432/file"}
ROWS = {row.name: row for row in document(FileSettings)}
OWN = [
    field
    for field in msgspec.structs.fields(FileSettings)
    if field.name not in {of_all.name for of_all in msgspec.structs.fields(ProcessSettings)}
]
NUMBERS = [env_name(field) for field in OWN if type(field.default) is int]
GIB = 2**30


def fault(**changes: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        load(FileSettings, GOOD | {name: str(value) for name, value in changes.items()})
    assert len(refused.value.problems) == 1
    return refused.value.problems[0]


def test_nothing_but_the_database_and_the_secret_is_required() -> None:
    settings = load(FileSettings, GOOD)
    assert [field.name for field in OWN if field.required] == ["file_database_url"]
    allowance = settings.allowance()
    assert (allowance.file_max_bytes, allowance.quota_bytes, allowance.quota_files) == (
        25 * 2**20,
        GIB,
        10_000,
    )
    assert settings.file_host == "127.0.0.1"  # nobody else's, unless that is asked for
    assert not allowance.types & {"text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript"}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_bounds(name: str) -> None:
    bounds = re.search(r"from (\d+) to (\d+)", ROWS[name].bounds)
    assert bounds is not None
    least, most = map(int, bounds.groups())
    for beyond in (least - 1, most + 1, "many", "1.5", "-1"):
        assert fault(**{name: beyond}).startswith(f"{name} must be a whole number from {least} to {most}")


@pytest.mark.parametrize(
    "name", [name for name in NUMBERS if name.rpartition("_")[2] in ("BYTES", "S", "MS")]
)
def test_a_measure_has_a_unit(name: str) -> None:
    assert ROWS[name].bounds.endswith(("(bytes)", "(bytes a second)", "(seconds)", "(milliseconds)"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FILE_DATABASE_URL", "mysql://file@127.0.0.1/file"),
        ("FILE_DATABASE_URL", "secret"),
        ("S3_ENDPOINT_URL", "127.0.0.1:9000"),
        ("S3_PUBLIC_URL", "ftp://s3.example.org"),
        ("S3_PUBLIC_URL", "https://s3.example.org:port"),
        ("S3_BUCKET", "A"),
        ("S3_BUCKET", "a..b"),
        ("AWS_REGION", "Europe (Frankfurt)"),
        ("AWS_ACCESS_KEY_ID", "without its secret"),
        ("FILE_TYPES", ","),
        ("FILE_TYPES", "png"),
        ("FILE_TYPES", "image/*"),
        ("FILE_TYPES", "image/png image/gif"),
        ("FILE_TYPES", "image/png,/gif"),
    ],
)
def test_what_makes_no_sense_is_named_in_one_sentence(name: str, value: str) -> None:
    told = fault(**{name: value})
    assert told.startswith(name)
    assert name != "FILE_DATABASE_URL" or value not in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"FILE_MAX_BYTES": 2 * GIB}, "FILE_QUOTA_BYTES must be at least FILE_MAX_BYTES"),
        ({"FILE_QUOTA_BYTES": 1000}, "FILE_QUOTA_BYTES must be at least FILE_MAX_BYTES"),
        ({"FILE_UPLOADS_MAX": 2}, "FILE_UPLOADS_MAX must be at least FILE_UPLOADS_PERSON_MAX"),
        ({"FILE_UPLOAD_TIMEOUT_MS": 5000}, "FILE_UPLOAD_TIMEOUT_MS must be at least FILE_STALL_TIMEOUT_MS"),
    ],
)
def test_what_belongs_together_fits(changes: dict[str, int], told: str) -> None:
    assert fault(**changes) == told


def test_what_may_be_set() -> None:
    types = "image/png, IMAGE/JPG,application/vnd.ms-excel,text/plain;charset=utf-8"
    allowance = load(FileSettings, GOOD | {"FILE_TYPES": types}).allowance()
    assert allowance.types == {"image/png", "image/jpeg", "application/vnd.ms-excel", "text/plain"}
    large = {"FILE_MAX_BYTES": str(5 * GIB), "FILE_QUOTA_BYTES": str(50 * GIB)}
    assert load(FileSettings, GOOD | large).allowance().file_max_bytes == 5 * GIB
