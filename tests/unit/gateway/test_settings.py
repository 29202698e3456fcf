"""The gateway's settings, and what is refused at start."""

import pytest

from apps.gateway.settings import GatewaySettings
from shared.kit.settings import SettingsError, load
from tests.unit.kit.calls import SECRET

MESH = {"MESH_SECRET": SECRET}


def test_defaults() -> None:
    settings = load(GatewaySettings, MESH)
    assert (settings.gateway_host, settings.gateway_port) == ("127.0.0.1", 3001)
    assert (settings.in_flight_max, settings.body_max_bytes) == (2048, 65_536)
    assert settings.address == "http://localhost:3001"
    assert settings.cors_origins == ()


def test_the_public_address_has_no_slash_at_its_end() -> None:
    assert load(GatewaySettings, MESH | {"PUBLIC_URL": "https://a.example/"}).address == "https://a.example"


def test_several_origins() -> None:
    environ = MESH | {"CORS_ORIGINS": "https://a.example, http://localhost:5173"}
    origins = load(GatewaySettings, environ).cors_origins
    assert origins == ("https://a.example", "http://localhost:5173")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "chat.example.org"),
        ("PUBLIC_URL", "ftp://chat.example.org"),
        ("PUBLIC_URL", "https://chat.example.org/path"),
        ("PUBLIC_URL", "https://chat.example.org:port"),
        ("CORS_ORIGINS", "app.example.org"),
        ("CORS_ORIGINS", "https://app.example.org/"),
        ("GATEWAY_PORT", "70000"),
        ("BODY_MAX_BYTES", "0"),
        ("IN_FLIGHT_MAX", "0"),
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(GatewaySettings, MESH | {name: value})
