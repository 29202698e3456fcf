"""The redirect to HTTPS, and the security headers of all responses."""

import pytest

from apps.gateway.settings import GatewaySettings
from shared.kit.config.settings import SettingsError, load
from tests.support.gateway import World, client_of, new_world
from tests.unit.kit.rpc.calls import SECRET

ADDRESS = "https://chat.example.org"
SECURE = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def world() -> World:
    return new_world(https_only=True, public_url=ADDRESS, trusted_proxies=("127.0.0.1",))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_plain_http_is_redirected_to_the_public_address(method: str, world: World) -> None:
    async with client_of(world) as http:
        answer = await http.request(
            method, "/api/a%20b/c?d=%26&e", headers={"Host": "evil.example", "X-Forwarded-Proto": "http"}
        )
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{ADDRESS}/api/a%20b/c?d=%26&e"
    assert "strict-transport-security" not in answer.headers
    assert world.client.sent == []


async def test_https_is_served_with_hsts(world: World) -> None:
    async with client_of(world, **SECURE) as http:
        answer = await http.get("/api/docs")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_health_is_not_redirected(world: World) -> None:
    async with client_of(world) as http:
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/metrics")).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_metrics_are_not_served_through_a_proxy(header: str) -> None:
    """A request through any proxy, trusted or not, comes from outside."""
    async with client_of(new_world()) as http:
        for method in ("GET", "HEAD"):
            assert (
                await http.request(method, "/metrics", headers={header: "for=192.0.2.1"})
            ).status_code == 404
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/health/ready", headers={header: "for=192.0.2.1"})).status_code != 404


async def test_a_client_cannot_claim_to_use_https() -> None:
    world = new_world(https_only=True, public_url=ADDRESS, trusted_proxies=("10.0.0.0/8",))
    async with client_of(world, **SECURE) as http:
        assert (await http.get("/api/docs")).status_code == 308


async def test_the_max_age_of_hsts_is_a_setting() -> None:
    world = new_world(https_only=True, public_url=ADDRESS, trusted_proxies=("127.0.0.1",), hsts_max_age_s=0)
    async with client_of(world, **SECURE) as http:
        assert "strict-transport-security" not in (await http.get("/api/docs")).headers


@pytest.mark.parametrize("path", ["/api/auth/me", "/nope", "/health/live", "/api/docs", "/api/errors"])
async def test_every_response_has_the_security_headers(path: str) -> None:
    async with client_of(new_world()) as http:
        headers = (await http.get(path)).headers
    for name, value in {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }.items():
        assert headers.get_list(name) == [value]
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"HTTPS_ONLY": "true", "PUBLIC_URL": ADDRESS}, "HTTPS_ONLY"),
        ({"HTTPS_ONLY": "true", "TRUSTED_PROXIES": "10.0.0.1"}, "HTTPS_ONLY"),
        (
            {"HTTPS_ONLY": "true", "TRUSTED_PROXIES": "10.0.0.1", "PUBLIC_URL": "http://a.example"},
            "HTTPS_ONLY",
        ),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "10.0.0.1, proxy.example.org"}, "TRUSTED_PROXIES"),
        ({"PROXY_HEADER": "x-real-ip"}, "PROXY_HEADER"),
        ({"RATE_LIMIT_PER_MINUTE": "-1"}, "RATE_LIMIT_PER_MINUTE"),
        ({"SIGN_IN_LIMIT_PER_MINUTE": "0"}, "SIGN_IN_LIMIT_PER_MINUTE"),
    ],
)
def test_invalid_settings_are_named(environ: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        load(GatewaySettings, {"MESH_SECRET": SECRET} | environ)


def test_a_proxy_may_be_named_by_its_address_or_its_network() -> None:
    environ = {"MESH_SECRET": SECRET, "TRUSTED_PROXIES": "10.0.0.1, fd00::/8"}
    settings = load(GatewaySettings, environ)
    assert settings.trusted_proxies == ("10.0.0.1", "fd00::/8")
