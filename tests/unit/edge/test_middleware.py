"""Correlation ids, traces, idempotency keys, cross-origin requests: the headers of requests and responses."""

import re
from typing import Any

import httpx
import pytest

from shared.edge.request_context import traceparent_of
from tests.support.gateway import World, client_of, new_world

CHANNEL = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"
SEND = f"/api/channels/{CHANNEL}/messages"
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_sane_correlation_id_comes_back_and_goes_on(world: World, api: httpx.AsyncClient) -> None:
    response = await api.get("/api/auth/me", headers={"X-Correlation-Id": "my.id_1-" + "x" * 56})
    assert response.headers["x-correlation-id"] == "my.id_1-" + "x" * 56
    assert world.client.sent[0].options["correlation_id"] == "my.id_1-" + "x" * 56


@pytest.mark.parametrize("value", [b"", b"x" * 65, b"a b", b"a\xff", b'a"b', b"{}", b"a\tb"])
async def test_another_correlation_id_is_replaced(value: bytes, api: httpx.AsyncClient) -> None:
    response = await api.get("/api/auth/me", headers={"X-Correlation-Id": value})
    assert UUID7.fullmatch(response.headers["x-correlation-id"])


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nope"), ("PUT", "/api/servers"), ("GET", "/health/live"), ("GET", "/"),
     ("OPTIONS", "/api/servers"),
     ("POST", SEND), ("GET", "/api/errors/mesh.busy"), ("GET", "/api/openapi.json"), ("HEAD", "/api/docs")],
)  # fmt: skip
async def test_every_answer_has_one(method: str, path: str, http: httpx.AsyncClient) -> None:
    first, second = [await http.request(method, path) for _ in range(2)]
    assert UUID7.fullmatch(first.headers["x-correlation-id"])
    assert first.headers["x-correlation-id"] != second.headers["x-correlation-id"]
    assert first.headers.get_list("x-correlation-id") == [first.headers["x-correlation-id"]]


async def test_the_trace_goes_on(world: World, api: httpx.AsyncClient) -> None:
    await api.get("/api/auth/me", headers={"traceparent": TRACE})
    await api.get("/api/auth/me", headers={"traceparent": "nonsense"})
    assert [sent.options["traceparent"] for sent in world.client.sent] == [TRACE, None]


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        (TRACE, True),
        (TRACE.replace("00-", "cc-", 1) + "-more", True),
        (TRACE + "-more", False),
        (TRACE.upper(), False),
        (TRACE.replace("00-", "ff-", 1), False),
        (TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), False),
        (TRACE.replace("00f067aa0ba902b7", "0" * 16), False),
        (TRACE[:-1], False),
        ("cc" + TRACE[2:] + "-" + "m" * 300, False),
        ("", False),
    ],
)
def test_traceparents(header: str, holds: bool) -> None:
    assert traceparent_of(header.encode()) == (header if holds else None)


async def test_an_idempotency_key_goes_on_with_method_and_path(world: World, api: httpx.AsyncClient) -> None:
    for path in (SEND, SEND + "/"):
        await api.post(path, json={"content": "a"}, headers={"Idempotency-Key": "k 1~"})
    keys = [sent.options["idempotency_key"] for sent in world.client.sent]
    assert keys == [f"POST {SEND} k 1~"] * 2


async def test_blanks_around_a_key_are_no_part_of_it(world: World, api: httpx.AsyncClient) -> None:
    await api.post(SEND, json={"content": "a"}, headers={"Idempotency-Key": "\t k 1 "})
    assert world.client.sent[0].options["idempotency_key"] == f"POST {SEND} k 1"


async def test_without_a_key_none_goes_on(world: World, api: httpx.AsyncClient) -> None:
    await api.post(SEND, json={"content": "a"})
    assert world.client.sent[0].options["idempotency_key"] is None


@pytest.mark.parametrize("value", [b"", b" ", b"k" * 256, b"\xc3\xbc", b"a\tb"])
async def test_a_bad_idempotency_key_is_a_field_error(
    value: bytes, world: World, api: httpx.AsyncClient
) -> None:
    response = await api.post(SEND, json={"content": "a"}, headers={"Idempotency-Key": value})
    assert [error["path"] for error in response.json()["errors"]] == ["Idempotency-Key"]
    assert world.client.sent == []


async def test_operations_that_take_no_key_ignore_it(world: World, api: httpx.AsyncClient) -> None:
    body = {"email": "ada@example.org", "password": "correct horse battery"}
    response = await api.post("/api/auth/signin", json=body, headers={"Idempotency-Key": b"\xff"})
    assert response.status_code == 200
    assert world.client.sent[0].options["idempotency_key"] is None


ORIGIN = "https://app.example.org"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}


async def test_pages_of_other_origins_may_not_call_by_default(http: httpx.AsyncClient) -> None:
    for response in (
        await http.options(SEND, headers=PREFLIGHT),
        await http.get("/", headers={"Origin": ORIGIN}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.fixture(scope="module")
def open_to() -> dict[str, Any]:
    return {"one": new_world(cors_origins=(ORIGIN,)), "any": new_world(cors_origins=("*",))}


async def test_preflight(open_to: dict[str, Any]) -> None:
    async with client_of(open_to["one"]) as http:
        response = await http.options(SEND, headers=PREFLIGHT)
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert "Idempotency-Key" in response.headers["access-control-allow-headers"]
        assert "PATCH" in response.headers["access-control-allow-methods"]
        assert response.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in response.headers
        stranger = await http.options(SEND, headers={**PREFLIGHT, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers
        assert "access-control-allow-methods" not in stranger.headers


async def test_answers_can_be_read_by_the_page_errors_too(open_to: dict[str, Any]) -> None:
    async with client_of(open_to["one"]) as http:
        for path in ("/api/auth/me", "/nope", "/health/live"):
            response = await http.get(path, headers={"Origin": ORIGIN})
            assert response.headers["access-control-allow-origin"] == ORIGIN
            assert "X-Correlation-Id" in response.headers["access-control-expose-headers"]
            assert (await http.get(path)).headers["vary"].split(", ")[0] == "Origin"


async def test_any_origin(open_to: dict[str, Any]) -> None:
    async with client_of(open_to["any"]) as http:
        response = await http.get("/health/live", headers={"Origin": ORIGIN})
        assert response.headers["access-control-allow-origin"] == "*"
