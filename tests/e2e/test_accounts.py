"""Sessions and tokens through the public API."""

import time
from collections.abc import Callable

import httpx

from tests.e2e.people import PASSWORD, Person


def _sign_in(http: httpx.Client, email: str, password: str = PASSWORD) -> Person:
    answer = http.post("/api/auth/signin", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return Person(http, answer.json())


def _refused_within(person: Person, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = person.get("/api/auth/me")
        if answer.status_code == 401:
            return answer.json()["code"] == "token.invalid"
        time.sleep(0.1)
    return False


def test_refresh_and_reuse(person: Callable[..., Person], http: httpx.Client) -> None:
    """A lost answer logs nobody out; a dead token that comes back ends the session."""
    ada = person()

    def refresh(token: str) -> httpx.Response:
        return http.post("/api/auth/refresh", json={"refreshToken": token})

    lost = refresh(ada.refresh_token).json()
    second = refresh(ada.refresh_token).json()
    third = refresh(second["refreshToken"])
    assert third.status_code == 200
    assert "profile" not in third.json()
    assert refresh(lost["refreshToken"]).status_code == 401
    assert refresh(third.json()["refreshToken"]).status_code == 401, "the session has ended"
    assert _refused_within(ada, 5)


def test_signing_out_ends_this_session_only(person: Callable[..., Person], http: httpx.Client) -> None:
    ada = person()
    other = _sign_in(http, ada.profile["email"])
    assert ada.post("/api/auth/signout").status_code == 204
    assert _refused_within(ada, 5)
    assert other.get("/api/auth/me").status_code == 200


def test_sessions_are_listed_and_ended(person: Callable[..., Person], http: httpx.Client) -> None:
    ada = person()
    other = _sign_in(http, ada.profile["email"])
    sessions = other.get("/api/auth/sessions").json()["items"]
    assert [session["current"] for session in sessions].count(True) == 1
    (first,) = [session for session in sessions if not session["current"]]
    assert other.delete(f"/api/auth/sessions/{first['id']}").status_code == 204
    assert other.delete(f"/api/auth/sessions/{first['id']}").status_code == 404
    assert _refused_within(ada, 5)


def test_a_new_password_ends_the_other_sessions(person: Callable[..., Person], http: httpx.Client) -> None:
    ada = person()
    other = _sign_in(http, ada.profile["email"])
    wrong = other.post("/api/auth/password", json={"current": "wrong one", "new": "a new password"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "credentials.invalid")
    changed = other.post("/api/auth/password", json={"current": PASSWORD, "new": "a new password"})
    assert changed.status_code == 204
    assert _refused_within(ada, 5)
    assert other.get("/api/auth/me").status_code == 200
    _sign_in(http, ada.profile["email"], "a new password")


def test_a_profile_changes(person: Callable[..., Person]) -> None:
    ada = person()
    changed = ada.patch("/api/auth/me", json={"imageUrl": "https://example.org/a.png"}).json()
    assert (changed["imageUrl"], changed["name"]) == ("https://example.org/a.png", "Ada")
    assert ada.patch("/api/auth/me", json={"imageUrl": None}).json()["imageUrl"] is None


def test_the_public_keys_are_there(http: httpx.Client) -> None:
    keys = http.get("/.well-known/jwks.json").json()["keys"]
    assert {(key["kty"], key["crv"], key["alg"]) for key in keys} == {("OKP", "Ed25519", "EdDSA")}
