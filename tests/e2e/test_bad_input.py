"""Every bad input gets its error code, none a 5xx, and none stops a consumer."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e.people import PASSWORD, Person

NO_ID = "not-an-id"


@pytest.fixture
def ada(person: Callable[..., Person]) -> Person:
    return person("Ada")


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check status, code and all fields of a problem (RFC 9457); return it."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"/api/errors/{code}"
    assert problem["status"] == status
    assert problem["correlationId"] == response.headers["x-correlation-id"]
    assert problem["title"]
    assert problem["instance"] == response.request.url.path
    return problem


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _forgeries(token: str) -> dict[str, str]:
    claims, header = _claims(token), jwt.get_unverified_header(token)
    other = Ed25519PrivateKey.generate()
    unsigned = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none", "typ": "JWT", "kid": header["kid"]}, claims)
    )
    past = {**claims, "exp": int(time.time()) - 60}
    return {
        "alg none": f"{unsigned}.",
        "alg none, the real signature": f"{unsigned}.{token.rpartition('.')[2]}",
        "another key": jwt.encode(claims, other, "EdDSA", {"kid": header["kid"]}),
        "another key, no kid": jwt.encode(claims, other, "EdDSA"),
        "an unknown kid": jwt.encode(claims, other, "EdDSA", {"kid": "nobody"}),
        "expired, another key": jwt.encode(past, other, "EdDSA", {"kid": header["kid"]}),
        "another audience": jwt.encode({**claims, "aud": "x"}, other, "EdDSA", {"kid": header["kid"]}),
        "HS256": jwt.encode(claims, "k" * 32, "HS256", {"kid": header["kid"]}),
        "cut": token[:-4],
        "changed": token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB"),
        "garbage": "a.b.c",
        "long": "x" * 5000,
    }


def test_missing_and_forged_tokens(ada: Person, http: httpx.Client) -> None:
    check_problem(http.get("/api/auth/me"), 401, "token.missing")
    for name, token in _forgeries(ada.access_token).items():
        refused = http.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, refused.json()["code"]) == (401, "token.invalid"), name
    basic = http.get("/api/auth/me", headers={"Authorization": "Basic YTpi"})
    check_problem(basic, 401, "token.invalid")
    assert ada.get("/api/auth/me").status_code == 200


BODIES: list[tuple[str, bytes, int, str]] = [
    ("broken JSON", b'{"content": ', 400, "body.malformed"),
    ("no JSON", b"hello", 400, "body.malformed"),
    ("empty", b"", 400, "body.malformed"),
    ("not UTF-8", b'{"content": "\xff"}', 400, "body.malformed"),
    ("a lone surrogate", b'{"content": "\\ud800"}', 400, "body.malformed"),
    ("deep", b"[" * 30_000, 400, "body.malformed"),
    ("a list", b"[]", 400, "validation.failed"),
    ("a wrong type", b'{"content": 5}', 400, "validation.failed"),
    ("null", b'{"content": null}', 400, "validation.failed"),
    ("missing", b"{}", 400, "validation.failed"),
    ("NUL", b'{"content": "a\\u0000b"}', 400, "validation.failed"),
    ("blank", b'{"content": " \\n "}', 400, "validation.failed"),
    ("too long", json.dumps({"content": "x" * 2001}).encode(), 400, "validation.failed"),
    ("an unknown field", b'{"content": "a", "color": 1}', 400, "validation.failed"),
    ("a NUL in the nonce", b'{"content": "a", "nonce": "\\u0000"}', 400, "validation.failed"),
    ("an empty nonce", b'{"content": "a", "nonce": ""}', 400, "validation.failed"),
    ("1 MB", b'{"content": "' + b"x" * 1_000_000 + b'"}', 413, "body.too_large"),
]


@pytest.mark.parametrize(("name", "body", "status", "code"), BODIES, ids=[row[0] for row in BODIES])
def test_bad_bodies(ada: Person, name: str, body: bytes, status: int, code: str) -> None:
    path = f"/api/channels/{uuid4()}/messages"
    check_problem(ada.post(path, content=body, headers={"Content-Type": "application/json"}), status, code)


def test_all_invalid_fields_are_reported_at_once(http: httpx.Client) -> None:
    body = {"name": "", "email": "nobody", "password": "short", "color": "red"}
    problem = check_problem(http.post("/api/auth/signup", json=body), 400, "validation.failed")
    assert {fault["path"] for fault in problem["errors"]} == {"name", "email", "password", "color"}
    assert all(fault["message"] for fault in problem["errors"])


def test_another_media_type(ada: Person) -> None:
    form = ada.post("/api/servers", content=b"name=x", headers={"Content-Type": "text/plain"})
    check_problem(form, 415, "media_type.unsupported")


def test_routes_and_methods(ada: Person) -> None:
    check_problem(ada.get("/api/nothing"), 404, "route.unknown")
    refused = ada.request("PUT", "/api/servers")
    check_problem(refused, 405, "method.not_allowed")
    assert {"GET", "POST"} <= {method.strip() for method in refused.headers["allow"].split(",")}


def test_invalid_ids(ada: Person) -> None:
    for method, path in (
        ("GET", f"/api/servers/{NO_ID}"),
        ("DELETE", f"/api/channels/{NO_ID}"),
        ("GET", f"/api/channels/{NO_ID}/messages"),
        ("GET", f"/api/channels/{uuid4()}/messages/{NO_ID}"),
        ("DELETE", f"/api/auth/sessions/{NO_ID}"),
    ):
        check_problem(ada.request(method, path), 400, "validation.failed")


def test_unknown_and_foreign_ids(ada: Person, person: Callable[..., Person]) -> None:
    bob = person("Bob")
    theirs = bob.make_server()
    channel = theirs["channels"][0]["id"]
    message = bob.send(channel, "hidden").json()["id"]
    for server in (theirs["id"], str(uuid4())):
        check_problem(ada.get(f"/api/servers/{server}"), 404, "server.not_found")
        check_problem(ada.patch(f"/api/servers/{server}", json={"name": "x"}), 404, "server.not_found")
        check_problem(ada.delete(f"/api/servers/{server}"), 404, "server.not_found")
        check_problem(ada.get(f"/api/servers/{server}/members"), 404, "server.not_found")
    for of in (channel, str(uuid4())):
        check_problem(ada.get(f"/api/channels/{of}"), 404, "channel.not_found")
        check_problem(ada.send(of, "hello"), 404, "channel.not_found")
        check_problem(ada.get(f"/api/channels/{of}/messages"), 404, "channel.not_found")
        check_problem(ada.get(f"/api/channels/{of}/messages/{message}"), 404, "channel.not_found")
    assert ada.get(f"/api/servers/{theirs['id']}/exists").json() == {"exists": True}
    assert ada.get(f"/api/servers/{uuid4()}/exists").json() == {"exists": False}


def test_limits_out_of_range(ada: Person) -> None:
    channel = ada.make_server()["channels"][0]["id"]
    path = f"/api/channels/{channel}/messages"
    for limit in ("0", "101", "-1", "x", "1.5", "", "99999999999999999999"):
        check_problem(ada.get(path, params={"limit": limit}), 400, "validation.failed")
    both = {"before": str(uuid4()), "after": str(uuid4())}
    problem = check_problem(ada.get(path, params=both), 400, "validation.failed")
    assert {fault["path"] for fault in problem["errors"]} == {"before", "after"}
    check_problem(ada.get(path, params={"before": str(uuid4())}), 404, "message.not_found")
    check_problem(ada.get("/api/servers", params={"cursor": "garbage"}), 400, "validation.failed")


def test_wrong_credentials(ada: Person, http: httpx.Client) -> None:
    email = ada.profile["email"]
    for body in (
        {"email": email, "password": "wrong password"},
        {"email": f"nobody-{email}", "password": PASSWORD},
    ):
        check_problem(http.post("/api/auth/signin", json=body), 401, "credentials.invalid")
    taken = {"name": "Ada", "email": email.upper(), "password": PASSWORD}
    check_problem(http.post("/api/auth/signup", json=taken), 409, "email.taken")


def test_invalid_refresh_tokens(http: httpx.Client) -> None:
    for token in ("x", "a.b", f"{uuid4().hex}.{'A' * 43}", "😀", "x" * 4096):
        refused = http.post("/api/auth/refresh", json={"refreshToken": token})
        check_problem(refused, 401, "token.invalid")


def test_a_caller_chooses_the_correlation_id_if_it_is_sane(http: httpx.Client) -> None:
    for sane in ("my-id-1", "a" * 64):
        assert (
            http.get("/api/auth/me", headers={"X-Correlation-Id": sane}).headers["x-correlation-id"] == sane
        )
    for odd in ("a" * 65, "a b", "<script>", "é".encode()):
        answer = http.get("/api/auth/me", headers={b"X-Correlation-Id": odd})
        assert len(answer.headers["x-correlation-id"]) == 36
