"""Invalid input of any kind gets the right error code, and never a 5xx."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.gateway.app import ROUTES
from tests.support.gateway import World

CHANNEL = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"
SEND = f"/api/channels/{CHANNEL}/messages"
JSON = {"Content-Type": "application/json"}


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"content": "a"',
        b'{"content": "a"} x',
        b'{"content": "\xff"}',
        b'{"content": "\\ud800"}',
        b'{"content": "\\udc00 lone"}',
        b"[" * 50_000,
        b'{"content": NaN}',
        b'\xef\xbb\xbf{"content": "a"}',
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_invalid_json_is_malformed(body: bytes, world: World, api: httpx.AsyncClient) -> None:
    response = await api.post(SEND, content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "body.malformed")
    assert world.client.sent == []


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ([], ["$"]),
        ("text", ["$"]),
        (None, ["$"]),
        (7, ["$"]),
        ({}, ["content"]),
        ({"content": None}, ["content"]),
        ({"content": 5}, ["content"]),
        ({"content": ""}, ["content"]),
        ({"content": " \n\t "}, ["content"]),
        ({"content": "a\u0000b"}, ["content"]),
        ({"content": "x" * 2001}, ["content"]),
        ({"content": ["a"]}, ["content"]),
        ({"content": "a", "nonce": ""}, ["nonce"]),
        ({"content": "a", "nonce": "n" * 65}, ["nonce"]),
        ({"content": "a", "nonce": "\u0000"}, ["nonce"]),
        ({"content": "", "nonce": "", "more": 1, "and": 2}, ["more", "and", "content", "nonce"]),
    ],
    ids=repr,
)
async def test_every_error_of_a_body_is_reported(
    body: Any, paths: list[str], world: World, api: httpx.AsyncClient
) -> None:
    response = await api.post(SEND, content=json.dumps(body), headers=JSON)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "validation.failed")
    assert [fault["path"] for fault in problem["errors"]] == paths
    assert all(fault["message"] for fault in problem["errors"])
    assert world.client.sent == []


async def test_errors_of_path_query_header_and_body_are_reported_together(
    world: World, api: httpx.AsyncClient
) -> None:
    response = await api.post(
        "/api/channels/nope/messages", json={"content": "", "x": 1}, headers={"Idempotency-Key": b"\xfc" * 3}
    )
    assert [fault["path"] for fault in response.json()["errors"]] == [
        "channelId",
        "Idempotency-Key",
        "x",
        "content",
    ]
    response = await api.get("/api/channels/nope/messages?limit=0&before=x&what=1")
    assert [fault["path"] for fault in response.json()["errors"]] == ["channelId", "what", "limit", "before"]


@pytest.mark.parametrize(
    "text", ["nope", "1", CHANNEL[:-1], CHANNEL + "0", "%00", "%F0%9F%98%80", "null", "..%2e", "{}", "%25"]
)
async def test_an_invalid_id_is_named(text: str, world: World, api: httpx.AsyncClient) -> None:
    response = await api.get(f"/api/channels/{text}/messages/{CHANNEL}")
    assert (response.status_code, response.json()["code"]) == (400, "validation.failed")
    assert response.json()["errors"] == [{"path": "channelId", "message": "must be a UUID"}]


async def test_any_uuid_is_an_id(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"/api/channels/{CHANNEL.upper()}")).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=-1", "limit=ten", "limit=1.5", "limit=", "limit=99999999999999999999",
     "limit=1&limit=2", "cursor=null", "before=NULL",
     "before=7", "other=1", "limit=%00", "=", "%FF=%FE", "&".join(f"a{n}=1" for n in range(200))],
)  # fmt: skip
async def test_a_query_out_of_bounds_is_refused(query: str, world: World, api: httpx.AsyncClient) -> None:
    response = await api.get(f"{SEND}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "validation.failed")
    assert response.json()["errors"]
    assert world.client.sent == []


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
     "application/json; charset=latin-1", "application/jsonp", "json", "", "application/json, text/plain",
     "ü"],
)  # fmt: skip
async def test_another_media_type_is_refused(content_type: str, api: httpx.AsyncClient) -> None:
    response = await api.post(
        SEND, content=b'{"content": "a"}', headers={"Content-Type": content_type.encode()}
    )
    assert (response.status_code, response.json()["code"]) == (415, "media_type.unsupported")


@pytest.mark.parametrize("end", [b"x", b";x", b"; charset=utf-8x", b"; charset=utf-8" + b" " * 8000 + b"x"])
async def test_no_media_type_takes_long_to_refuse(end: bytes, api: httpx.AsyncClient) -> None:
    begun = time.process_time()
    content_type = b"application/json" + b" " * 16_000 + end
    response = await api.post(SEND, content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 415
    assert time.process_time() - begun < 0.5


async def test_a_body_without_a_media_type_is_refused(api: httpx.AsyncClient) -> None:
    response = await api.post(SEND, content=b'{"content": "a"}')
    assert (response.status_code, response.json()["code"]) == (415, "media_type.unsupported")


async def test_nothing_at_all_is_an_empty_body(api: httpx.AsyncClient) -> None:
    response = await api.post(SEND)
    assert (response.status_code, response.json()["code"]) == (400, "body.malformed")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8",
     'application/json; charset="utf-8"', "application/vnd.concord+json"],
)  # fmt: skip
async def test_json_by_any_of_its_media_types_is_accepted(content_type: str, api: httpx.AsyncClient) -> None:
    response = await api.post(SEND, content=b'{"content": "a"}', headers={"Content-Type": content_type})
    assert response.status_code == 201


async def test_a_large_body_is_refused(world: World, api: httpx.AsyncClient) -> None:
    response = await api.post(SEND, content=b'{"content": "' + b"a" * 1_000_000 + b'"}', headers=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "body.too_large")
    assert "65536" in response.json()["detail"]
    assert world.client.sent == []


async def test_a_large_body_in_chunks_is_not_read_to_its_end(api: httpx.AsyncClient) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"a" * 16_384

    response = await api.post(SEND, content=endless(), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "body.too_large")
    assert asked == 5


async def test_a_body_of_the_maximum_size_is_read(api: httpx.AsyncClient) -> None:
    body = b'{"content": "a"}'.ljust(65_536)
    assert (await api.post(SEND, content=body, headers=JSON)).status_code == 201
    assert (await api.post(SEND, content=body + b" ", headers=JSON)).status_code == 413


async def test_a_body_in_chunks_is_read(world: World, api: httpx.AsyncClient) -> None:
    response = await api.post(SEND, content=chunks(b'{"con', b'tent": ', b'"a"}'), headers=JSON)
    assert response.status_code == 201
    assert world.client.sent[0].fields["content"] == "a"


@pytest.mark.parametrize("length", ["99999999999999999999", "65537"])
async def test_a_length_beyond_the_bound_is_refused_before_reading(
    length: str, api: httpx.AsyncClient
) -> None:
    response = await api.post(SEND, content=chunks(), headers={**JSON, "Content-Length": length})
    assert response.status_code == 413


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_bodies_of_other_methods_are_ignored(method: str, api: httpx.AsyncClient) -> None:
    response = await api.request(method, f"/api/channels/{CHANNEL}", content=b"{nonsense", headers=JSON)
    assert response.status_code in (200, 204)


@pytest.mark.parametrize(
    "path", ["/nope", "/api", "/api/servers/x/y/z", "/api/auth/signup/now", "//", "/%2e%2e/x"]
)
async def test_unknown_paths(path: str, api: httpx.AsyncClient) -> None:
    response = await api.get(path)
    if path == "//":  # repeated slashes count as one
        assert response.status_code == 302
        return
    assert (response.status_code, response.json()["code"]) == (404, "route.unknown")


async def test_a_trailing_slash_is_the_same_path(world: World, api: httpx.AsyncClient) -> None:
    assert (await api.post(SEND + "/", json={"content": "a"})).status_code == 201


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "BREW"])
async def test_unknown_methods(method: str, api: httpx.AsyncClient) -> None:
    response = await api.request(method, "/api/servers")
    assert (response.status_code, response.json()["code"]) == (405, "method.not_allowed")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_options_lists_the_methods(http: httpx.AsyncClient) -> None:
    response = await http.options("/api/auth/me")
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS, PATCH")


async def test_head_is_a_get_without_its_body(world: World, api: httpx.AsyncClient) -> None:
    head, get = await api.head("/api/auth/me"), await api.get("/api/auth/me")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (await api.head("/api/auth/signup")).status_code == 405


async def test_an_invalid_host_is_malformed(api: httpx.AsyncClient) -> None:
    response = await api.get("/api/auth/me", headers={"Host": "a/b c"})
    assert (response.status_code, response.json()["code"]) == (400, "request.malformed")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["content", "nonce", "name", "email", "password", "type", "role", "imageUrl", "maxAgeS"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from([route for route in ROUTES if not route.operation.form]),  # see test_upload.py
    segment=st.text(min_size=1, max_size=40).filter(lambda text: "/" not in text),
    query=st.binary(max_size=60),
    body=st.binary(max_size=200) | st.dictionaries(NAMES, JSON_VALUES).map(lambda v: json.dumps(v).encode()),
)  # fmt: skip
async def test_no_input_of_a_client_is_an_internal_error(
    route: Any, segment: str, query: bytes, body: bytes, world: World
) -> None:
    path = "/".join(segment if part.startswith("{") else part for part in route.path.split("/"))
    seen: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        seen.append(message)

    scope = {
        "type": "http",
        "method": route.method,
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": query,
        "root_path": "",
        "headers": [
            (b"authorization", b"Bearer " + world.signer.token().encode()),
            (b"content-type", b"application/json"),
            (b"idempotency-key", query),
        ],
    }
    await world.edge(scope, receive, send)
    assert seen[0]["status"] < 500


async def test_a_request_without_token_and_body(http: httpx.AsyncClient) -> None:
    for route in ROUTES:
        response = await http.request(route.method, route.path, headers={"User-Agent": ""})
        assert 400 <= response.status_code < 500
