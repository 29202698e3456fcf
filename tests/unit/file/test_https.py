"""HTTPS_ONLY at the file service's own port; forwarded requests of a gateway are exempt."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from apps.file.settings import FileSettings
from shared.edge.client_address.internal_hop import HEADER, InternalHop
from shared.kit.config.settings import SettingsError, load
from tests.unit.file.test_http import FORM, PATH, TOKEN, Service, client_of
from tests.unit.kit.rpc.calls import SECRET, SIGNATURES

ADDRESS = "https://files.example.org"
GATEWAY = "https://chat.example.org"
PROXY = "127.0.0.1"
SECURE = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
HSTS = "strict-transport-security"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    settings = {"https_only": True, "file_public_url": f"{ADDRESS}/", "trusted_proxies": (PROXY,)}
    async with client_of(Service(), **settings) as client:
        yield client


async def test_who_comes_over_http_is_sent_to_the_public_address(http: httpx.AsyncClient) -> None:
    elsewhere = {"Host": "evil.example", "X-Forwarded-Proto": "http"}
    content = f"/api/files/{uuid4()}/content?inline=true"
    for answer, path in (
        (await http.get(content, headers=elsewhere), content),
        (await http.post(PATH, headers=elsewhere, **FORM), PATH),
        (await http.get("/nothing", headers=elsewhere), "/nothing"),
    ):
        assert (answer.status_code, answer.headers["location"]) == (308, f"{ADDRESS}{path}")
        assert HSTS not in answer.headers


async def test_who_comes_by_https_is_served_and_told_to_stay(http: httpx.AsyncClient) -> None:
    done = await http.post(PATH, headers=SECURE, **FORM)
    assert (done.status_code, done.headers[HSTS]) == (201, "max-age=31536000")
    assert (await http.get("/nothing", headers=SECURE)).headers[HSTS] == "max-age=31536000"


async def test_what_a_gateway_passes_on_comes_in_over_plain_http(http: httpx.AsyncClient) -> None:
    """A forged header is rejected."""
    name, value = InternalHop(SIGNATURES).header(TOKEN.encode())
    done = await http.post(PATH, headers={name.decode(): value.decode()}, **FORM)
    assert (done.status_code, HSTS in done.headers) == (201, False)
    for other in ("x", "", value.decode()[:-1] + "?"):
        refused = await http.post(PATH, headers={HEADER.decode(): other}, **FORM)
        assert (refused.status_code, refused.headers["location"]) == (308, f"{ADDRESS}{PATH}")
    changed = {name.decode(): value.decode(), "Authorization": "Bearer another"}
    assert (await http.post(PATH, headers=changed, **FORM)).status_code == 308


async def test_nobody_can_say_of_himself_that_he_came_by_https() -> None:
    settings = {"https_only": True, "file_public_url": ADDRESS, "trusted_proxies": ("10.0.0.1",)}
    async with client_of(Service(), **settings) as http:
        assert (await http.post(PATH, headers=SECURE, **FORM)).status_code == 308


@pytest.mark.parametrize("own", ["", "http://localhost:3002"])
async def test_without_an_address_of_its_own_the_gateway_answers_at_the_same_paths(own: str) -> None:
    settings = {
        "https_only": True,
        "public_url": GATEWAY,
        "file_public_url": own,
        "trusted_proxies": (PROXY,),
        "hsts_max_age_s": 0,
    }
    async with client_of(Service(), **settings) as http:
        assert (await http.post(PATH, **FORM)).headers["location"] == f"{GATEWAY}{PATH}"
        done = await http.post(PATH, headers=SECURE, **FORM)
        assert (done.status_code, HSTS in done.headers) == (201, False)


@pytest.mark.parametrize(
    "environ",
    [
        {"FILE_PUBLIC_URL": ADDRESS},
        {"TRUSTED_PROXIES": PROXY},
        {"TRUSTED_PROXIES": PROXY, "FILE_PUBLIC_URL": "http://files.example.org"},
        {"TRUSTED_PROXIES": PROXY, "FILE_PUBLIC_URL": "http://files.example.org", "PUBLIC_URL": "http://a.b"},
    ],
)
def test_it_needs_a_proxy_and_an_address(environ: dict[str, str]) -> None:
    own = {"MESH_SECRET": SECRET, "FILE_DATABASE_URL": "postgresql://a", "HTTPS_ONLY": "true"}
    with pytest.raises(SettingsError, match=r"HTTPS_ONLY needs .* FILE_PUBLIC_URL or PUBLIC_URL"):
        load(FileSettings, own | environ)
