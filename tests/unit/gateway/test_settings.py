"""The gateway's settings, and the errors at start."""

import pytest

from apps.gateway.settings import GatewaySettings
from shared.kit.config.settings import SettingsError, load
from tests.unit.kit.rpc.calls import SECRET

MESH = {"MESH_SECRET": SECRET}


def test_defaults() -> None:
    settings = load(GatewaySettings, MESH)
    assert (settings.gateway_host, settings.gateway_port) == ("127.0.0.1", 3001)
    assert (settings.in_flight_max, settings.body_max_bytes) == (2048, 65_536)
    assert settings.address == "http://localhost:3001"
    assert settings.cors_origins == ()


def test_the_public_address_has_no_trailing_slash() -> None:
    assert load(GatewaySettings, MESH | {"PUBLIC_URL": "https://a.example/"}).address == "https://a.example"


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, "127.0.0.1:3002"),
        ({"FILE_PORT": "4002"}, "127.0.0.1:4002"),
        ({"FILE_HOST": "192.0.2.7"}, "192.0.2.7:3002"),
        ({"FILE_HOST": "0.0.0.0"}, "127.0.0.1:3002"),
        ({"FILE_HOST": "::", "FILE_PORT": "4002"}, "[::1]:4002"),
        ({"FILE_HOST": "0.0.0.0", "FILE_SERVICE_URL": "http://file:3002"}, "file:3002"),
        ({"FILE_SERVICE_URL": "https://files.inside.example/"}, "files.inside.example:443"),
        ({"FILE_SERVICE_URL": "http://[fd00::7]:81"}, "[fd00::7]:81"),
    ],
)
def test_the_address_of_the_file_service(environ: dict[str, str], place: str) -> None:
    door = load(GatewaySettings, MESH | environ).file_service
    assert door.netloc == place
    assert door.secure is environ.get("FILE_SERVICE_URL", "").startswith("https")


def test_the_public_address_of_the_file_service() -> None:
    assert load(GatewaySettings, MESH | {"FILE_PORT": "4002"}).file_address == "http://localhost:4002"
    environ = {"FILE_PUBLIC_URL": "https://files.example.org/", "FILE_SERVICE_URL": "http://file:3002"}
    assert load(GatewaySettings, MESH | environ).file_address == "https://files.example.org"


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
        ("FILE_PUBLIC_URL", "files.example.org"),
        ("FILE_PUBLIC_URL", "https://files.example.org/api"),
        ("FILE_SERVICE_URL", "file:3002"),
        ("CORS_ORIGINS", "app.example.org"),
        ("CORS_ORIGINS", "https://app.example.org/"),
        ("GATEWAY_PORT", "70000"),
        ("BODY_MAX_BYTES", "0"),
        ("IN_FLIGHT_MAX", "0"),
    ],
)
def test_invalid_settings_are_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(GatewaySettings, MESH | {name: value})
