"""Settings: bounds, names, all problems at once, no secret in any text."""

from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from cli.provisioning.provision import PrepareSettings
from shared.kit.config.settings import (
    ProcessSettings,
    Secret,
    Settings,
    SettingsError,
    document,
    load,
)
from tests.unit.kit.rpc.calls import SECRET

MESH = {"MESH_SECRET": SECRET}


class Sample(Settings, frozen=True, kw_only=True):
    sample_database_url: Secret
    wait_ms: Annotated[int, Meta(ge=1, le=10, description="How long to wait")] = 5
    ratio: Annotated[float, Meta(ge=0)] = 0.5
    loud: bool = False
    kinds: tuple[str, ...] = ("image/png",)
    mode: Literal["fast", "safe"] = "fast"
    token: Secret | None = None


def test_defaults_and_values_of_every_kind() -> None:
    read = load(Sample, {"SAMPLE_DATABASE_URL": "postgresql://u:p@h/d"})
    assert (read.wait_ms, read.ratio, read.loud, read.kinds, read.token) == (
        5,
        0.5,
        False,
        ("image/png",),
        None,
    )
    environ = {
        "SAMPLE_DATABASE_URL": "x",
        "WAIT_MS": "7",
        "RATIO": "2",
        "LOUD": "true",
        "KINDS": "a, b,",
        "MODE": "safe",
    }
    read = load(Sample, environ)
    assert (read.wait_ms, read.ratio, read.loud, read.kinds, read.mode) == (7, 2.0, True, ("a", "b"), "safe")


def test_an_empty_value_is_none() -> None:
    assert load(Sample, {"SAMPLE_DATABASE_URL": "x", "WAIT_MS": "  "}).wait_ms == 5


def test_every_problem_is_reported_at_once_by_name_and_bounds() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Sample, {"WAIT_MS": "11", "RATIO": "-1", "LOUD": "loud", "MODE": "slow"})
    assert caught.value.problems == (
        "SAMPLE_DATABASE_URL is required and must be text",
        "WAIT_MS must be a whole number from 1 to 10 (milliseconds), not '11'",
        "RATIO must be a number from 0, not '-1'",
        "LOUD must be true or false, not 'loud'",
        "MODE must be one of fast, safe, not 'slow'",
    )


class Pin(Settings, frozen=True, kw_only=True):
    pin: Annotated[Secret, Meta(pattern="^[0-9]+$", description="A number")] = ""

    def problems(self) -> Iterator[str]:
        if self.pin == "0000":
            yield "PIN is too simple"


def test_no_secret_is_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Pin, {"PIN": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "PIN must be text like ^[0-9]+$" in str(caught.value)
    read = load(Pin, {"PIN": "4711"})
    assert repr(read) == "Pin(pin='***')".replace("'", "")
    assert "4711" not in f"{read} {read!r} {read.__rich_repr__()}"
    rendered = repr(load(Sample, {"SAMPLE_DATABASE_URL": "postgresql://u:hunter2@h/d", "TOKEN": "hunter3"}))
    assert "hunter" not in rendered
    assert "wait_ms=5" in rendered


def test_rules_across_values_are_checked_too() -> None:
    with pytest.raises(SettingsError, match="PIN is too simple"):
        load(Pin, {"PIN": "0000"})
    with pytest.raises(SettingsError) as caught:
        load(ProcessSettings, MESH | {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SSL_CERTFILE": "a.pem"})
    assert len(caught.value.problems) == 3


def test_document_gives_a_row_for_each_field() -> None:
    rows = {row.name: row for row in document(Sample)}
    assert rows["WAIT_MS"].default == "5"
    assert rows["WAIT_MS"].bounds == "a whole number from 1 to 10 (milliseconds)"
    assert rows["WAIT_MS"].description == "How long to wait"
    assert rows["SAMPLE_DATABASE_URL"].default is None
    assert rows["KINDS"].default == "image/png"


def test_every_mesh_setting_is_described() -> None:
    assert [row.name for row in document(ProcessSettings) if not row.description] == []


def test_without_a_good_secret_nothing_starts() -> None:
    for secret in ("", "   ", "x" * 31):
        with pytest.raises(SettingsError, match="MESH_SECRET") as caught:
            load(ProcessSettings, {"MESH_SECRET": secret})
        assert "xxx" not in str(caught.value)
    with pytest.raises(SettingsError, match="MESH_SECRET_ALSO must have at least 32 characters"):
        load(ProcessSettings, MESH | {"MESH_SECRET_ALSO": "short"})
    assert SECRET not in repr(load(ProcessSettings, MESH))


def test_a_process_that_only_provisions_needs_no_secret() -> None:
    assert load(PrepareSettings, {}).mesh_secret == ""
