"""The way through everything: accounts, a server, a channel, messages."""

from collections.abc import Callable

import httpx

from tests.e2e.people import Person


def test_two_people_talk(person: Callable[..., Person]) -> None:
    ada, bob = person("Ada"), person("Bob")
    server = ada.make_server()
    (general,) = server["channels"]
    assert (general["name"], general["type"]) == ("general", "TEXT")

    assert bob.send(general["id"], "let me in").status_code == 404
    bob.join(server)
    sent = [
        ada.send(general["id"], "  Hello, Bob  "),
        bob.send(general["id"], "Hello, Ada"),
        ada.send(general["id"], "How are you?"),
    ]
    assert [answer.status_code for answer in sent] == [201, 201, 201]
    assert [answer.json()["sequence"] for answer in sent] == [1, 2, 3]
    assert sent[0].json()["content"] == "Hello, Bob"

    history = bob.get(f"/api/channels/{general['id']}/messages").json()
    assert history["items"] == [answer.json() for answer in reversed(sent)]
    assert history["next"] is None


def test_the_same_nonce_gives_the_first_message(person: Callable[..., Person]) -> None:
    ada = person()
    channel = ada.make_server()["channels"][0]["id"]
    first = ada.send(channel, "once", nonce="n-1")
    again = ada.send(channel, "once", nonce="n-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_the_same_idempotency_key_makes_one_server(person: Callable[..., Person]) -> None:
    ada = person()
    key = {"Idempotency-Key": "make-once"}
    first, again = (ada.post("/api/servers", json={"name": "One"}, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = ada.post("/api/servers", json={"name": "Two"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.mismatch")
    assert len(ada.get("/api/servers").json()["items"]) == 1


def test_who_am_i(person: Callable[..., Person], http: httpx.Client) -> None:
    ada = person("Ada")
    assert ada.get("/api/auth/me").json() == ada.profile
    refused = http.get("/api/auth/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "token.missing")
    assert refused.headers["content-type"] == "application/problem+json"
