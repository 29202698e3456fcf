"""Rate limits of an HTTP port: the limit that a request counts for, and the headers that report it."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from apps.gateway.app import ROUTES
from tests.support.gateway import World, client_of, new_world

ME = "/api/auth/me"
SIGN_IN = {"email": "ada@example.org", "password": "correct horse battery"}
OTHER = "019a4c5e-7b1a-7c3d-9e2f-0000000000ff"


@pytest.fixture
def limited() -> World:
    return new_world(rate_limit_per_minute=5, sign_in_limit_per_minute=2)


def bearer(world: World, **changes: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.signer.token(**changes)}"}


async def statuses(http: httpx.AsyncClient, count: int, path: str = ME, **options: Any) -> list[int]:
    return [(await http.get(path, **options)).status_code for _ in range(count)]


async def test_each_response_reports_the_limit_and_what_is_left(limited: World) -> None:
    async with client_of(limited, **bearer(limited)) as api:
        for left in (4, 3, 2, 1, 0):
            answer = await api.get(ME)
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"caller";q=5;w=60'
            assert answer.headers["ratelimit"] == f'"caller";r={left};t=12'
        refused = await api.get(ME)
    assert refused.status_code == 429
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("rate.limited", "12")
    assert refused.headers["ratelimit"] == '"caller";r=0;t=12'
    assert refused.headers["ratelimit-policy"] == '"caller";q=5;w=60'
    assert len(limited.client.sent) == 5


async def test_errors_report_it_too(limited: World) -> None:
    async with client_of(limited, **bearer(limited)) as api:
        answer = await api.post("/api/servers", json={"nonsense": 1})
    assert (answer.status_code, answer.headers["ratelimit"]) == (400, '"caller";r=4;t=12')


async def test_a_profile_has_one_limit_whatever_tokens_it_has(limited: World) -> None:
    async with client_of(limited) as http:
        found = [
            (await http.get(ME, headers=bearer(limited, sid=str(UUID(int=number))))).status_code
            for number in range(6)
        ]
        assert found == [200] * 5 + [429]
        assert await statuses(http, 1, headers=bearer(limited, sub=OTHER)) == [200]


async def test_good_tokens_do_not_count_for_their_address(limited: World) -> None:
    """Profiles behind one address each have their own limit, even when a token is verified the first time."""
    async with client_of(limited) as http:
        for number in range(50):
            token = bearer(limited, sub=str(UUID(int=number)))
            assert await statuses(http, 2, headers=token) == [200, 200]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
async def test_bad_tokens_count_for_their_address(headers: dict[str, str], limited: World) -> None:
    async with client_of(limited) as http:
        assert await statuses(http, 7, headers=headers) == [401] * 5 + [429] * 2


async def test_a_flood_of_bad_tokens_is_not_checked(limited: World, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    verify = limited.authenticator._verifier.verify
    monkeypatch.setattr(
        limited.authenticator._verifier, "verify", lambda token: checked.append(token) or verify(token)
    )
    async with client_of(limited) as http:
        known = bearer(limited)
        assert await statuses(http, 1, headers=known) == [200]
        for number in range(100):
            await http.get(ME, headers={"Authorization": f"Bearer bad{number}"})
        assert await statuses(http, 1, headers=known) == [200], "a caller with a cached token is not affected"
    assert len(checked) == 1 + 5


async def test_one_good_token_written_in_many_ways_is_checked_no_more_than_the_limits_allow(
    limited: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    verify = limited.authenticator._verifier.verify
    monkeypatch.setattr(
        limited.authenticator._verifier, "verify", lambda token: checked.append(token) or verify(token)
    )
    token = limited.signer.token()
    async with client_of(limited) as http:
        found = [
            (await http.get(ME, headers={"Authorization": f"Bearer{' ' * pad}{token}"})).status_code
            for pad in [*range(1, 40), *range(2000, 2040)]
        ]
        assert found == [200] * 5 + [429] * 74
        assert len(checked) == 5 + 5, "the limit of the profile, then the limit of its address"


async def test_a_token_that_could_not_be_checked_counts_for_nobody(limited: World) -> None:
    limited.authenticator.caught_up = False
    async with client_of(limited, **bearer(limited)) as api:
        assert await statuses(api, 20) == [503] * 20


async def test_signing_in_and_up_have_a_stricter_limit_of_the_address(limited: World) -> None:
    async with client_of(limited) as http:
        first = await http.post("/api/auth/signin", json=SIGN_IN)
        assert first.headers["ratelimit-policy"] == '"sign-in";q=2;w=60'
        assert (await http.post("/api/auth/signup", json={**SIGN_IN, "name": "Ada"})).status_code == 201
        for path in ("/api/auth/signin", "/api/auth/signup"):
            assert (await http.post(path, json=SIGN_IN)).status_code == 429
        refreshed = await http.post("/api/auth/refresh", json={"refreshToken": "a.b"})
        assert refreshed.headers["ratelimit"] == '"network";r=4;t=12'


async def test_changes_of_password_have_that_limit_too_whoever_asks(limited: World) -> None:
    """Each costs two hashes: many accounts at one address could keep auth busy."""
    body = {"current": "correct horse battery", "new": "another horse battery"}
    found = []
    async with client_of(limited) as http:
        for number in range(4):
            token = bearer(limited, sub=str(UUID(int=number)))
            answer = await http.post("/api/auth/password", json=body, headers=token)
            found.append((answer.status_code, answer.headers["ratelimit-policy"]))
        assert [status for status, _ in found] == [204, 204, 429, 429]
        assert {policy for _, policy in found} == {'"sign-in";q=2;w=60'}
        assert (await http.post("/api/auth/password", json=body)).status_code == 401
        first = bearer(limited, sub=str(UUID(int=0)))
        assert await statuses(http, 5, headers=first) == [200] * 4 + [429], "it counts for the caller too"


async def test_addresses_are_those_behind_the_proxy() -> None:
    world = new_world(rate_limit_per_minute=5, trusted_proxies=("127.0.0.1",))
    async with client_of(world) as http:
        for number in range(20):
            header = {"X-Forwarded-For": f"198.51.100.1, 203.0.113.{number}"}
            assert await statuses(http, 1, headers=header) == [401]
        assert await statuses(http, 6, headers={"X-Forwarded-For": "198.51.100.1"}) == [401] * 5 + [429]


@pytest.mark.parametrize(
    "path", ["/health/live", "/metrics", "/", "/api/docs", "/api/docs/assets/docs.js", "/api/openapi.json",
             "/api/errors/rate.limited", "/.well-known/jwks.json", "/nothing/here"]
)  # fmt: skip
async def test_documents_and_health_are_not_counted(path: str, limited: World) -> None:
    async with client_of(limited) as http:
        answers = [await http.get(path) for _ in range(10)]
    assert 429 not in {answer.status_code for answer in answers}
    assert "ratelimit" not in answers[-1].headers


async def test_without_limits_nothing_is_counted_or_reported(
    world: World, http: httpx.AsyncClient, api: httpx.AsyncClient
) -> None:
    for _ in range(30):
        assert (await http.post("/api/auth/signin", json=SIGN_IN)).status_code == 200
    assert set(await statuses(api, 300)) == {200}
    assert "ratelimit" not in (await api.get(ME)).headers
    assert len(world.limits) == 0


async def test_auth_learns_where_a_sign_in_comes_from() -> None:
    world = new_world(trusted_proxies=("127.0.0.1",))
    async with client_of(world) as http:
        header = {"X-Forwarded-For": "2001:db8:1:2:3:4:5:6"}
        await http.post("/api/auth/signin", json=SIGN_IN, headers=header)
        refused = await http.post("/api/auth/signin", json={**SIGN_IN, "network": "192.0.2.1"})
    assert world.client.sent[0].fields["network"] == "2001:db8:1:2::/64"
    assert refused.json()["errors"] == [{"path": "network", "message": "is not a known field"}]


async def test_the_document_has_the_limit_headers_of_every_route(http: httpx.AsyncClient) -> None:
    document = (await http.get("/api/openapi.json")).json()
    for route in ROUTES:
        responses = document["paths"][route.path][route.method.lower()]["responses"]
        assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= responses["429"]["headers"].keys()
        assert {"RateLimit", "RateLimit-Policy"} <= responses[str(route.operation.status)]["headers"].keys()


async def test_uploads_count_like_all_else(limited: World) -> None:
    """They do not pass through Kafka; without a file service, those that are admitted get 503."""
    async with client_of(limited, **bearer(limited)) as api:
        found = [(await api.post("/api/files/upload", content=b"x")).status_code for _ in range(6)]
    assert found == [503] * 5 + [429]
