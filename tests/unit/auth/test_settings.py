"""The settings of auth, and those that do not go together."""

from datetime import timedelta

import pytest

from apps.auth.settings import AuthSettings
from shared.kit.config.settings import SettingsError, load
from tests.unit.kit.rpc.calls import SECRET

URL = {"AUTH_DATABASE_URL": "postgresql://auth:hunter2@localhost/auth", "MESH_SECRET": SECRET}


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load(AuthSettings, URL)
    assert (settings.token_terms().issuer, settings.token_terms().audience) == ("concord", "concord")
    assert settings.token_terms().ttl_s == 15 * 60
    assert settings.session_policy().refresh_ttl == timedelta(days=30)
    assert settings.key_policy().rotation == timedelta(days=30)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("AUTH_DATABASE_URL", {"AUTH_DATABASE_URL": ""}),
        ("KEY_OVERLAP_S", {"KEY_OVERLAP_S": "900"}),
        ("KEY_PUBLISH_S", {"KEY_PUBLISH_S": "60"}),
        ("KEY_PUBLISH_S", {"KEY_ROTATION_S": "3600"}),
        ("HASH_THREADS", {"HASH_THREADS": "0"}),
    ],
)
def test_what_cannot_work_is_refused_by_name(name: str, values: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=name):
        load(AuthSettings, URL | values)
