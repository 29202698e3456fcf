"""The connection's bounds, over real sockets: what ends a request before the application sees it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apps.gateway.http_server import make_server, serve_until
from apps.gateway.settings import GatewaySettings
from shared.kit.health.checks import Health
from shared.kit.http.connection_limits import ConnectionLimits
from shared.kit.http.sockets import PortError
from shared.kit.rpc.caller import RawReply
from tests.support.gateway import World, shared_world

CHANNEL = "019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f"
SEND = f"POST /api/channels/{CHANNEL}/messages HTTP/1.1\r\nHost: gateway\r\n"


class Gateway:
    """A gateway that listens."""

    def __init__(self, world: World, port: int, stop: asyncio.Event, running: "asyncio.Task[None]") -> None:
        self.world, self.port, self.stop, self.running = world, port, stop, running
        self.health = Health()

    async def say(self, *parts: bytes, pause_s: float = 0.0) -> tuple[int, dict[str, str], Any]:
        """Send these bytes, read one answer, close."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await asyncio.sleep(pause_s)
            return await read_answer(reader)
        finally:
            writer.close()

    @property
    def head(self) -> bytes:
        """The head of a good send, but for its body's length."""
        token = self.world.signer.token()
        return f"{SEND}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n".encode()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of one answer. Raises IncompleteReadError when the connection ends."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await asyncio.wait_for(reader.readexactly(int(headers.get("content-length", 0))), 5)
    return int(head[0].split()[1]), headers, json.loads(body) if body else None


@asynccontextmanager
async def listening(**changes: Any) -> AsyncIterator[Gateway]:
    """A gateway on a free port, with these settings."""
    settings = GatewaySettings(gateway_port=0, **changes)
    world = shared_world()
    server = make_server(world.edge, settings)
    stop = asyncio.Event()
    part = Health().component("http")
    running = asyncio.create_task(serve_until(stop, server, settings, world.admission, part))
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    gateway = Gateway(world, port, stop, running)
    gateway.part = part  # type: ignore[attr-defined]
    try:
        yield gateway
    finally:
        stop.set()
        await running


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """One with small bounds and short times."""
    async with listening(
        head_max_bytes=2048,
        head_timeout_ms=400,
        body_timeout_ms=400,
        connections_max=20,
        drain_timeout_ms=500,
    ) as gateway:
        yield gateway


def problem(answer: tuple[int, dict[str, str], Any]) -> tuple[int, str]:
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-correlation-id"] == body["correlationId"]
    return status, body["code"]


async def test_a_good_request(gateway: Gateway) -> None:
    body = b'{"content": "a"}'
    answer = await gateway.say(gateway.head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer[0] == 201
    assert "server" not in answer[1]


async def test_a_good_request_in_single_bytes(gateway: Gateway) -> None:
    body = b'{"content": "a"}'
    request = gateway.head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = await gateway.say(*(request[n : n + 1] for n in range(len(request))))
    assert answer[0] == 201


async def test_chunks(gateway: Gateway) -> None:
    chunks = (
        b"Transfer-Encoding: chunked\r\n\r\n9\r\n"
        + b'{"content'
        + b"\r\n6\r\n"
        + b'": "a"'
        + b"\r\n1\r\n}\r\n0\r\n\r\n"
    )
    assert (await gateway.say(gateway.head + chunks))[0] == 201


async def test_chunks_beyond_the_bound(gateway: Gateway) -> None:
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    answer = await gateway.say(gateway.head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 6)
    assert problem(answer) == (413, "body.too_large")


async def test_a_trailer_is_let_fall(gateway: Gateway) -> None:
    chunks = (
        b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"content": "a"}\r\n0\r\nX-Sum: 1\r\nHost: other\r\n\r\n'
    )
    assert (await gateway.say(gateway.head + chunks))[0] == 201


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"0\r\n", b"x: " + b"y" * 1000 + b"\r\n"),
        (b"0\r\nx: ", b"y" * 1000),
        (b"10;", b"x" * 1000),
    ],
    ids=["trailers", "one trailer", "an extension"],
)
async def test_what_stands_around_chunks_is_bounded(start: bytes, more: bytes, gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    # It is refused at once, having no token; what comes after that answer is bounded all the same.
    head = b"POST /api/files/upload HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head + start)
    answering = asyncio.create_task(reader.read(-1))
    with contextlib.suppress(ConnectionError):
        for _ in range(500):
            if answering.done():
                break
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0.001)
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(answering, 5)
    assert answering.done(), "the connection takes more and more"
    writer.close()


async def test_a_megabyte_is_refused_and_the_connection_lives_on(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(gateway.head + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000)
    assert problem(await read_answer(reader)) == (413, "body.too_large")
    await writer.drain()
    body = b'{"content": "a"}'
    writer.write(gateway.head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert (await read_answer(reader))[0] == 201
    writer.close()


async def test_who_sends_on_and_on_is_cut_off(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(gateway.head + b"Content-Length: 1000000000\r\n\r\n")
    assert problem(await read_answer(reader)) == (413, "body.too_large")
    with pytest.raises((ConnectionError, TimeoutError)):
        async with asyncio.timeout(5):
            while True:
                writer.write(b"a" * 65_536)
                await writer.drain()
    writer.close()


async def test_who_was_answered_does_not_drip_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token, and the body of an upload may take ten minutes: the connection is not held so long."""
    monkeypatch.setattr(ConnectionLimits, "discarded_for_s", 0.3)
    async with listening() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /api/files/upload HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\n")
        assert problem(await read_answer(reader)) == (401, "token.missing")
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.05)
        writer.close()


async def test_expect_100_continue_is_refused_before_the_body_is_sent(gateway: Gateway) -> None:
    answer = await gateway.say(gateway.head + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
    assert problem(answer) == (413, "body.too_large")


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 150 + b"\r\n",
        b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /" + b"x" * 3000,
    ],
    ids=[
        "a long header",
        "a header without an end",
        "many headers",
        "a long address",
        "an address without an end",
    ],
)
async def test_large_heads(request_head: bytes, gateway: Gateway) -> None:
    answer = await gateway.say(request_head)
    assert problem(answer) == (431, "headers.too_large")
    assert answer[1]["connection"] == "close"


@pytest.mark.parametrize(
    "noise",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=repr,
)
async def test_what_is_no_http_is_said_so(noise: bytes, gateway: Gateway) -> None:
    answer = await gateway.say(noise)
    assert answer[0] in (400, 404)
    assert problem(answer)[1] in ("request.malformed", "route.unknown")


@pytest.mark.parametrize(
    "line",
    [
        b"OPTIONS * HTTP/1.1",
        b"GET http://gateway/health/live HTTP/1.1",
        b"GET // HTTP/1.1",
        b"GET ? HTTP/1.1",
    ],
)
async def test_odd_addresses_are_no_fault_of_ours(line: bytes, gateway: Gateway) -> None:
    status, headers, _ = await gateway.say(line + b"\r\nHost: gateway\r\n\r\n")
    assert status < 500
    assert "x-correlation-id" in headers


async def test_an_upgrade_that_nobody_offers_is_an_ordinary_request(gateway: Gateway) -> None:
    head = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert (await gateway.say(head))[0] == 200


async def test_a_head_that_comes_in_drops_is_given_up(gateway: Gateway) -> None:
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await gateway.say(b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 10, pause_s=0.08)


async def test_a_silent_connection_is_closed(gateway: Gateway) -> None:
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await gateway.say()


async def test_a_body_that_comes_in_drops_is_given_up(gateway: Gateway) -> None:
    answer = await gateway.say(gateway.head + b"Content-Length: 50\r\n\r\n", *[b" "] * 3, pause_s=0.1)
    assert problem(answer) == (400, "body.malformed")
    assert gateway.world.admission.in_flight == 0


async def test_a_slow_answer_is_waited_for(gateway: Gateway) -> None:
    async def late() -> RawReply:
        await asyncio.sleep(0.8)
        return RawReply(200, b"{}")

    gateway.world.client.answer = lambda sent: late()
    body = b'{"content": "a"}'
    head = gateway.head + b"Content-Length: %d\r\n\r\n" % len(body)
    assert (await gateway.say(head, body, pause_s=0.05))[0] == 200


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for name in (b"one", b"two", b"three"):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Correlation-Id: %s\r\n\r\n" % name)
    ids = [(await read_answer(reader))[1]["x-correlation-id"] for _ in range(3)]
    assert ids == ["one", "two", "three"]
    writer.close()


@pytest.mark.parametrize("reads", [False, True], ids=["not at all", "slowly"])
async def test_who_does_not_read_a_long_answer_is_cut_off(
    reads: bool, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.kit.http.connection_limits.ConnectionLimits.read_interval_s", 0.5)
    body = b'"' + b"a" * 16_000_000 + b'"'
    gateway.world.client.answer = lambda sent: RawReply(200, body)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    token = gateway.world.signer.token()
    writer.write(f"GET /api/auth/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    read = 0
    await asyncio.sleep(0 if reads else 2.0)
    with contextlib.suppress(ConnectionError):
        while read <= len(body) and (part := await asyncio.wait_for(reader.read(1_000_000), 5)):
            read += len(part)
            await asyncio.sleep(0.01)
    assert (read > len(body)) is reads
    writer.close()


async def test_more_connections_than_may_be_open_are_told(gateway: Gateway) -> None:
    held = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(20)]
    await asyncio.sleep(0.05)
    answer = await gateway.say()
    assert problem(answer) == (503, "mesh.busy")
    assert answer[1]["retry-after"] == "1"
    for _, writer in held:
        writer.close()
    await asyncio.sleep(0.05)
    assert (await gateway.say(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200


async def test_who_leaves_before_the_answer_disturbs_nobody(gateway: Gateway) -> None:
    async def late() -> RawReply:
        await asyncio.sleep(0.1)
        return RawReply(200, b"{}")

    gateway.world.client.answer = lambda sent: late()
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = b'{"content": "a"}'
    writer.write(gateway.head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.transport.abort()
    await asyncio.sleep(0.15)
    assert gateway.world.admission.in_flight == 0
    assert (await gateway.say(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200


async def ask(gateway: Gateway, seconds: float) -> "asyncio.Task[tuple[int, dict[str, str], Any]]":
    """Begin a request that takes so long."""

    async def late() -> RawReply:
        await asyncio.sleep(seconds)
        return RawReply(200, b"{}")

    gateway.world.client.answer = lambda sent: late()
    body = b'{"content": "a"}'
    asking = asyncio.create_task(gateway.say(gateway.head + b"Content-Length: %d\r\n\r\n" % len(body) + body))
    while gateway.world.admission.in_flight == 0:
        await asyncio.sleep(0.01)
    return asking


async def test_leaving_lets_requests_in_hand_finish() -> None:
    async with listening(drain_timeout_ms=3000) as gateway:
        asking = await ask(gateway, 0.4)
        gateway.stop.set()
        await asyncio.sleep(0.2)
        assert await gateway.part.state() == "leaving"  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            await gateway.say(b"GET / HTTP/1.1\r\n\r\n")
        assert (await asking)[0] == 200
        await asyncio.wait_for(gateway.running, 2)


async def test_leaving_is_bounded_and_who_waits_too_long_is_told() -> None:
    async with listening(drain_timeout_ms=300) as gateway:
        asking = await ask(gateway, 60)
        started = asyncio.get_running_loop().time()
        gateway.stop.set()
        answer = await asking
        assert problem(answer) == (503, "mesh.busy")
        await asyncio.wait_for(gateway.running, 2)
        assert asyncio.get_running_loop().time() - started < 1.5


async def test_a_gateway_may_be_seen_as_leaving_before_it_leaves() -> None:
    async with listening(drain_notice_ms=400) as gateway:
        gateway.stop.set()
        await asyncio.sleep(0.1)
        assert await gateway.part.state() == "leaving"  # type: ignore[attr-defined]
        assert (await gateway.say(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200


async def test_a_port_that_is_taken_is_named(gateway: Gateway) -> None:
    settings = GatewaySettings(gateway_port=gateway.port)
    world = gateway.world
    server = make_server(world.edge, settings)
    with pytest.raises(PortError, match=f"GATEWAY_PORT: port {gateway.port} .*taken"):
        await serve_until(asyncio.Event(), server, settings, world.admission, Health().component("http"))
