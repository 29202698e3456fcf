"""Every route forwards its inputs, and nothing else, to its operation."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from apps.gateway.app import ROUTES
from apps.gateway.routes.route import Route
from shared.contracts import errors as e
from shared.contracts.catalogue import OPERATIONS
from shared.contracts.examples import example_of
from shared.contracts.file import FileLocation
from shared.kit.clock import now_ms
from shared.kit.rpc.caller import RawReply
from tests.fakes.gateway import PROFILE_ID, SESSION_ID
from tests.support.gateway import World, client_of

CHANNEL = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"
SEND = f"/api/channels/{CHANNEL}/messages"
INTERNAL = {"user.verifyToken", "profiles.get", "channel.access", "keys.get", "file.describe"}
CALLS = [route for route in ROUTES if not route.operation.form]
"""The routes of calls through Kafka: all but forms."""


def path_of(route: Route) -> str:
    """Return the path with the examples of its parameters."""
    examples = example_of(route.operation.request)
    return route.path.format(**{name: examples[name] for name in route.parameters})


def body_of(route: Route) -> Any:
    return None if route.operation.body is None else example_of(route.operation.body)


@pytest.mark.parametrize("route", CALLS, ids=lambda route: route.operation.name)
async def test_forwards_a_request_that_its_struct_reads(
    route: Route, world: World, api: httpx.AsyncClient
) -> None:
    operation = route.operation
    response = await api.request(route.method, path_of(route), json=body_of(route))
    assert response.status_code == operation.status, response.text
    [sent] = world.client.sent
    assert sent.operation is operation
    request = msgspec.json.decode(sent.body, type=operation.request)
    assert sent.key == operation.key_of(request)
    if not operation.public and hasattr(request, "profile_id"):
        assert request.profile_id == PROFILE_ID
    if hasattr(request, "session_id"):
        assert request.session_id == SESSION_ID
    if operation.status == 302:
        assert response.content == b""
        assert response.headers["location"] == example_of(FileLocation)["url"]
    elif operation.answer is None:
        assert response.content == b""
        assert "content-type" not in response.headers
    else:
        msgspec.json.decode(response.content, type=operation.answer)
        assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


def test_every_operation_for_callers_has_one_route() -> None:
    names = [route.operation.name for route in CALLS]
    assert sorted(names) == sorted(OPERATIONS.keys() - INTERNAL)


async def test_passes_the_bytes_of_the_reply_on_untouched(world: World, api: httpx.AsyncClient) -> None:
    world.client.answer = lambda sent: RawReply(201, b'{"z": 1,   "unknown":true}')
    assert (await api.post(SEND, json={"content": "a"})).content == b'{"z": 1,   "unknown":true}'


async def test_answers_with_the_status_of_the_reply(world: World, api: httpx.AsyncClient) -> None:
    world.client.answer = lambda sent: RawReply(200, b"{}")
    assert (await api.post(SEND, json={"content": "a"})).status_code == 200


async def test_the_caller_can_not_be_chosen(world: World, api: httpx.AsyncClient) -> None:
    response = await api.post(SEND, json={"content": "a", "profileId": CHANNEL})
    assert response.status_code == 400
    assert response.json()["errors"] == [{"path": "profileId", "message": "is not a known field"}]
    assert world.client.sent == []


async def test_fields_that_were_not_named_stay_unnamed(world: World, api: httpx.AsyncClient) -> None:
    await api.patch("/api/auth/me", json={"imageUrl": None})
    assert world.client.sent[0].fields == {"imageUrl": None, "profileId": str(PROFILE_ID)}


async def test_query_reaches_the_request(world: World, api: httpx.AsyncClient) -> None:
    await api.get(SEND, params={"limit": 7, "before": CHANNEL})
    fields = world.client.sent[0].fields
    assert (fields["limit"], fields["before"]) == (7, CHANNEL)


async def test_the_user_agent_reaches_auth_cut_and_printable(world: World, http: httpx.AsyncClient) -> None:
    body = example_of(OPERATIONS["user.signin"].body)  # type: ignore[arg-type]
    await http.post("/api/auth/signin", json=body, headers={"User-Agent": "a\x7fb" + "c" * 500})
    assert world.client.sent[0].fields["userAgent"] == "ab" + "c" * 253


async def test_the_deadline_is_the_call_timeout(world: World, api: httpx.AsyncClient) -> None:
    before = now_ms()
    await api.get("/api/auth/me")
    assert before + 10_000 <= world.client.sent[0].options["deadline_ms"] <= now_ms() + 10_000


async def test_the_time_to_send_a_body_is_not_part_of_the_timeout(
    world: World, api: httpx.AsyncClient
) -> None:
    ended_ms = 0

    async def slow_body() -> AsyncIterator[bytes]:
        nonlocal ended_ms
        yield b'{"content": '
        await asyncio.sleep(0.05)
        ended_ms = now_ms()
        yield b'"a"}'

    headers = {"Content-Type": "application/json"}
    assert (await api.post(SEND, content=slow_body(), headers=headers)).status_code == 201
    assert world.client.sent[0].options["deadline_ms"] >= ended_ms + 10_000


async def test_typed_errors_become_problems(world: World, api: httpx.AsyncClient) -> None:
    world.client.fail_with(e.CHANNEL_NOT_FOUND.exception("There is no such channel."))
    response = await api.post(SEND, json={"content": "a"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "/api/errors/channel.not_found",
        "title": e.CHANNEL_NOT_FOUND.title,
        "status": 404,
        "detail": "There is no such channel.",
        "instance": SEND,
        "code": "channel.not_found",
        "correlationId": response.headers["x-correlation-id"],
    }


@pytest.mark.parametrize(
    ("kind", "seconds"), [(e.MESH_BUSY, "1"), (e.MESH_TIMEOUT, "2"), (e.RATE_LIMITED, "1")]
)
async def test_reports_when_to_try_again(
    kind: e.ErrorCode, seconds: str, world: World, api: httpx.AsyncClient
) -> None:
    world.client.raise_with(kind.exception("not now"))
    response = await api.get("/api/auth/me")
    assert (response.status_code, response.headers["retry-after"]) == (kind.status, seconds)


async def test_unexpected_exceptions_are_not_revealed(
    world: World, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    world.client.raise_with(RuntimeError("the secret"))
    response = await api.get("/api/auth/me", headers={"X-Correlation-Id": "find-me"})
    assert (response.status_code, response.json()["code"]) == (500, "internal.error")
    assert "secret" not in response.text
    assert [record.correlation_id for record in caplog.records] == ["find-me"]  # type: ignore[attr-defined]


async def test_details_of_a_services_internal_error_are_not_revealed(
    world: World, api: httpx.AsyncClient
) -> None:
    world.client.fail_with(e.INTERNAL_ERROR.exception("division by zero in line 7"))
    response = await api.get("/api/auth/me")
    assert response.status_code == 500
    assert "line 7" not in response.text


async def test_a_reply_that_can_not_be_read_is_our_fault(world: World, api: httpx.AsyncClient) -> None:
    world.client.answer = lambda sent: RawReply(409, b"garbage", "email.taken")
    assert (await api.get("/api/auth/me")).json()["code"] == "internal.error"


async def test_lone_surrogates_of_a_service_do_not_break_the_problem(
    world: World, api: httpx.AsyncClient
) -> None:
    world.client.raise_with(e.CHANNEL_NOT_FOUND.exception("no \ud800"))
    assert (await api.get("/api/auth/me")).json()["detail"] == "no ?"


async def test_requests_beyond_the_bound_in_flight_are_refused_at_once(make_world: Any) -> None:
    world = make_world(in_flight_max=2)
    held = asyncio.Event()

    async def wait() -> RawReply:
        await held.wait()
        return RawReply(200, b"{}")

    world.client.answer = lambda sent: wait()
    async with client_of(world, Authorization=f"Bearer {world.signer.token()}") as api:
        waiting = [asyncio.create_task(api.get("/api/auth/me")) for _ in range(2)]
        while world.admission.in_flight < 2:
            await asyncio.sleep(0)
        refused = await api.get("/api/auth/me")
        assert (refused.status_code, refused.json()["code"]) == (503, "mesh.busy")
        assert refused.headers["retry-after"] == "1"
        assert (await api.get("/health/live")).status_code == 200
        held.set()
        assert [(await task).status_code for task in waiting] == [200, 200]
    assert world.admission.in_flight == 0


async def test_calls_are_busy_before_kafka_is_connected(world: World, api: httpx.AsyncClient) -> None:
    world.admission._accepts_calls = False
    assert (await api.get("/api/auth/me")).json()["code"] == "mesh.busy"
    assert (await api.post("/api/auth/signin", json={})).json()["code"] == "mesh.busy"


async def test_a_request_that_is_cancelled_by_a_shutdown_can_be_retried(
    world: World, api: httpx.AsyncClient
) -> None:
    world.admission.drain()
    world.client.raise_with(asyncio.CancelledError())
    assert (await api.get("/api/auth/me")).json()["code"] == "mesh.busy"
