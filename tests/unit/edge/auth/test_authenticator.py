"""Authentication: the token decides, and the session that it belongs to."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from jwt.utils import base64url_encode

from shared.contracts.errors import MESH_BUSY, ServiceError
from shared.edge.auth.authenticator import CACHED_MAX, Authenticator, token_of
from shared.edge.auth.jwks_cache import UNKNOWN_KID_INTERVAL_S, JwksCache
from shared.edge.request_context import RequestContext
from shared.kit.clock import now_ms
from shared.kit.health.checks import Component
from shared.kit.rpc.caller import RawReply
from tests.fakes.gateway import PROFILE_ID, SESSION_ID, FakeServiceClient, Signer
from tests.support.gateway import World, new_world

ME = "/api/auth/me"


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64url_encode(part).decode() for part in parts)


def context_with(authorization: str, now_s: float | None = None) -> RequestContext:
    """Return the context of a request with this header, received now or at `now_s`."""
    scope = {"headers": [(b"authorization", authorization.encode())]}
    received_ms = now_ms() if now_s is None else int(now_s * 1000)
    return RequestContext(scope, None, lambda: "id", received_ms)  # type: ignore[arg-type]


async def ask(world: World, authorization: str | bytes | None) -> tuple[int, str]:
    headers = {} if authorization is None else {"Authorization": authorization}
    transport = httpx.ASGITransport(app=world.edge)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        response = await http.get(ME, headers=headers)
    if response.status_code == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
    return response.status_code, response.json().get("code", "")


async def test_a_good_token_passes(world: World) -> None:
    assert await ask(world, f"Bearer {world.signer.token()}") == (200, "")
    assert world.client.sent[0].fields["profileId"] == str(PROFILE_ID)


async def test_the_scheme_is_case_insensitive(world: World) -> None:
    assert (await ask(world, f"bEARER   {world.signer.token()}"))[0] == 200


async def test_no_token(world: World) -> None:
    assert await ask(world, None) == (401, "token.missing")
    assert world.client.sent == []


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Token abc", "Bearer a b", "Bearer a,b", "Bearerabc",
     "Bearer \u00fc", "Bearer abc", "Bearer a.b", "Bearer a.b.c", "Bearer ...", "Bearer " + "a" * 9000,
     "Bearer a.b.c.d.e", "Bearer eyJhbGciOiJFZERTQSJ9.e30.",
     "Bearer " + base64url_encode(b'{"alg":"EdDSA","kid":"k1","x":' + b"[" * 2500).decode() + ".e30.aa",
     "Bearer " + base64url_encode(b'{"kid":"k1","x":' + b"[" * 20_000).decode() + ".e30.aa"],
)  # fmt: skip
async def test_malformed_tokens(authorization: str, world: World) -> None:
    assert await ask(world, authorization.encode("latin-1")) == (401, "token.invalid")


async def test_expired(world: World) -> None:
    now = datetime.now(UTC)
    token = world.signer.token(now - timedelta(hours=1))
    assert await ask(world, f"Bearer {token}") == (401, "token.expired")


async def test_a_cached_token_expires_as_well(world: World) -> None:
    header = f"Bearer {world.signer.token()}"
    claims = await world.authenticator.authenticate_uncharged(context_with(header))
    assert world.authenticator.cached_claims(context_with(header, claims.exp - 1)) == claims
    assert world.authenticator.cached_claims(context_with(header, claims.exp)) is None


@pytest.mark.parametrize(
    "changes",
    [{"aud": "someone-else"}, {"iss": "someone-else"}, {"aud": ["concord"]}, {"sub": "nobody"}, {"sid": None},
     {"exp": "soon"}, {"iat": 9_999_999_999}],
    ids=str,
)  # fmt: skip
async def test_invalid_claims(changes: dict[str, Any], world: World) -> None:
    try:
        token = world.signer.token(**changes)
    except TypeError:  # the library itself refuses to encode such a token
        token = forged({"alg": "EdDSA", "kid": "k1"}, changes)
    assert await ask(world, f"Bearer {token}") == (401, "token.invalid")


async def test_forged_tokens(world: World) -> None:
    claims = jwt.decode(world.signer.token(), options={"verify_signature": False})
    good = world.signer.token().rpartition(".")
    public = world.signer.private.public_key().public_bytes_raw()
    other = Signer()
    tokens = {
        "alg none": forged({"alg": "none", "kid": "k1"}, claims),
        "alg None": forged({"alg": "None", "kid": "k1"}, claims),
        "the public key as a secret": jwt.encode(claims, public, "HS256", headers={"kid": "k1"}),
        "another key": other.token(),
        "no kid": jwt.encode(claims, world.signer.private, "EdDSA"),
        "no signature": good[0] + ".",
        "signature of another": good[0] + "." + other.token().rpartition(".")[2],
        "own key in the header": jwt.encode(
            claims,
            other.private,
            "EdDSA",
            headers={"kid": "k1", "jwk": msgspec.to_builtins(other.jwks.keys[0])},
        ),
    }
    found = {name: await ask(world, f"Bearer {token}") for name, token in tokens.items()}
    assert found == dict.fromkeys(tokens, (401, "token.invalid"))


async def test_a_cached_token_of_a_revoked_session_is_invalid(world: World) -> None:
    token = f"Bearer {world.signer.token()}"
    assert (await ask(world, token))[0] == 200
    world.revocations._until[SESSION_ID] = datetime.now(UTC) + timedelta(minutes=1)
    try:
        assert await ask(world, token) == (401, "token.invalid")
    finally:
        del world.revocations._until[SESSION_ID]


async def test_no_token_is_accepted_before_the_revoked_sessions_are_read(world: World) -> None:
    world.authenticator.caught_up = False
    try:
        assert await ask(world, f"Bearer {world.signer.token(jti=str(SESSION_ID))}") == (503, "mesh.busy")
    finally:
        world.authenticator.caught_up = True


async def test_the_tokens_of_a_removed_key_are_invalid() -> None:
    world = new_world()
    token = f"Bearer {world.signer.token()}"
    assert (await ask(world, token))[0] == 200
    world.client.answer = lambda sent: RawReply(200, msgspec.json.encode(Signer("k2").jwks))
    await world.keys._fetch_once()
    world.keys._fetched_at = world.keys._now()
    assert await ask(world, token) == (401, "token.invalid")


async def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    world = new_world()
    new = Signer("k2")
    world.client.answer = lambda sent: (
        RawReply(200, msgspec.json.encode(new.jwks))
        if sent.operation.name == "keys.get"
        else RawReply(200, b"{}")
    )
    assert (await ask(world, f"Bearer {new.token()}"))[0] == 200


async def test_a_flood_of_unknown_keys_fetches_once() -> None:
    world = new_world()
    world.client.answer = lambda sent: RawReply(200, msgspec.json.encode(world.signer.jwks))
    for number in range(50):
        assert (await ask(world, f"Bearer {Signer(f'x{number}').token()}"))[0] == 401
    assert [sent.operation.name for sent in world.client.sent] == ["keys.get"]


async def test_unknown_keys_are_fetched_again_after_an_interval() -> None:
    now = 0.0
    caller = FakeServiceClient(answer=lambda sent: RawReply(200, msgspec.json.encode(Signer().jwks)))
    keys = JwksCache(caller, Component(), 60, lambda: now)
    for number in range(5):
        await keys.refresh_for(Signer(f"x{number}").token())
    assert len(caller.sent) == 1
    now = UNKNOWN_KID_INTERVAL_S
    await keys.refresh_for(Signer("y").token())
    assert len(caller.sent) == 2


async def test_keys_are_kept_while_auth_is_down() -> None:
    caller, signer, part = FakeServiceClient(), Signer(), Component()
    keys = JwksCache(caller, part, 60)
    caller.raise_with(MESH_BUSY.exception("away"))
    assert not await keys._fetch_once()
    assert await part.state() == "auth does not return its keys: mesh.busy"
    caller.answer = lambda sent: RawReply(200, msgspec.json.encode(signer.jwks))
    assert await keys._fetch_once()
    assert await part.state() == "ready"
    caller.raise_with(MESH_BUSY.exception("away"))
    assert not await keys._fetch_once()
    assert (list(keys.by_kid), await part.state()) == (["k1"], "ready")


async def test_the_cache_of_headers_is_bounded(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr("shared.edge.auth.authenticator.CACHED_MAX", 2)
    authenticator = Authenticator(world.authenticator._verifier, world.keys, world.revocations)
    authenticator.caught_up = True
    headers = [f"Bearer {world.signer.token(jti=str(PROFILE_ID)[:-1] + str(n))}" for n in range(3)]
    contexts = [context_with(header) for header in headers]
    for context in contexts[:2]:
        await authenticator.authenticate_uncharged(context)
    assert authenticator.cached_claims(contexts[0])  # used again, so the other one is dropped
    await authenticator.authenticate_uncharged(contexts[2])
    assert [authenticator.cached_claims(context) is not None for context in contexts] == [True, False, True]
    assert CACHED_MAX > 2


async def test_one_token_can_not_fill_the_memory_with_long_spellings_of_its_header(world: World) -> None:
    authenticator = Authenticator(world.authenticator._verifier, world.keys, world.revocations)
    authenticator.caught_up = True
    token = world.signer.token()
    for blanks in range(20_000, 20_010):
        assert await authenticator.authenticate_uncharged(context_with(f"Bearer{' ' * blanks}{token}"))
    assert sum(map(len, authenticator._cache)) == 0
    await authenticator.authenticate_uncharged(context_with(f"Bearer {token}"))
    assert authenticator.cached_claims(context_with(f"Bearer {token}"))


def test_only_the_bearer_scheme_has_a_token() -> None:
    assert token_of(b"Bearer a.b-_~+/=") == "a.b-_~+/="
    with pytest.raises(ServiceError, match=r"token\.invalid"):
        token_of(b"Bearer a\n")
