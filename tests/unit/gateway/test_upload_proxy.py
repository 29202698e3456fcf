"""Uploads are streamed to the file service, and its response is returned."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from cli.config.ports import free_port
from shared.edge.client_address.internal_hop import InternalHop
from tests.support.gateway import client_of, new_world
from tests.unit.kit.rpc.calls import SIGNATURES

PATH = "/api/files/upload"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FORM = {"content-type": "multipart/form-data; boundary=x"}
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def file_service(serve: Serve, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a gateway whose file service handles each connection with `serve`."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    world = new_world(file_port=port, upload_stall_timeout_ms=300, upload_answer_timeout_ms=1000, **settings)
    async with client_of(world, Authorization=f"Bearer {world.signer.token()}") as client:
        yield client
    server.close()


def answer(status: str, body: bytes, more: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + more + b"\r\n" + body


async def test_the_bytes_are_forwarded_and_the_response_is_returned() -> None:
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.extend(head + await reader.readexactly(100_000))
        writer.write(answer("201 Created", b'{"id":1}', b"x-inside: secret\r\n"))

    async with file_service(serve) as client:
        headers = {**FORM, "x-correlation-id": "mine", "x-evil": "no", "x-concord-passed-on": "1.evil"}
        done = await client.post(PATH, content=bytes(100_000), headers=headers)
    assert (done.status_code, done.content) == (201, b'{"id":1}')
    assert "x-inside" not in done.headers
    head, _, body = bytes(heard).partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == f"post {PATH} http/1.1"
    assert "x-correlation-id: mine" in lines
    assert "content-length: 100000" in lines
    assert any(line.startswith("authorization: bearer ") for line in lines)
    assert not any("evil" in line for line in lines)
    said = next(line for line in lines if line.startswith("x-concord-passed-on: ")).partition(": ")[2]
    token = next(line for line in bytes(heard).split(b"\r\n") if line.lower().startswith(b"authorization: "))
    assert InternalHop(SIGNATURES).verify(said.encode(), token.partition(b": ")[2])
    assert body == bytes(100_000)


async def test_blanks_around_a_header_are_no_part_of_it() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer("201 Created", b"{}"))

    blanks = {"content-type": "\tmultipart/form-data; boundary=x \t", "content-length": "1 "}
    async with file_service(serve) as client:
        done = await client.post(PATH, content=b"x", headers=blanks)
    assert done.status_code == 201
    assert b"content-type: multipart/form-data; boundary=x\r\ncontent-length: 1\r\n" in heard[0].lower()


async def test_the_key_and_the_trace_are_forwarded() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer("201 Created", b"{}"))

    async with file_service(serve) as client:
        for key, trace in (("\tk 1~ ", TRACE), ("k", "nonsense")):
            headers = {**FORM, "Idempotency-Key": key, "traceparent": trace}
            assert (await client.post(PATH, content=b"x", headers=headers)).status_code == 201
        assert (await client.post(PATH, content=b"x", headers=FORM)).status_code == 201
    lines = [head.lower().split(b"\r\n") for head in heard]
    keys = [[line for line in head if line.startswith(b"idempotency-key")] for head in lines]
    assert keys == [[b"idempotency-key: k 1~"], [b"idempotency-key: k"], []]
    traces = [[line for line in head if line.startswith(b"traceparent")] for head in lines]
    assert traces == [[b"traceparent: " + TRACE.encode()], [], []]


@pytest.mark.parametrize("key", [b"", b" ", b"k" * 256, b"\xc3\xbc", b"a\tb"])
async def test_a_request_with_an_invalid_key_is_not_forwarded(key: bytes) -> None:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    async with file_service(serve) as client:
        done = await client.post(PATH, content=b"x", headers={**FORM, "Idempotency-Key": key})
    assert (done.status_code, done.json()["code"]) == (400, "validation.failed")
    assert [fault["path"] for fault in done.json()["errors"]] == ["Idempotency-Key"]
    assert asked == 0


async def test_a_response_before_the_end_is_returned() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("415 Unsupported Media Type", b'{"code":"file.type_not_allowed"}'))
        await writer.drain()
        writer.close()

    async with file_service(serve) as client:
        done = await client.post(PATH, content=bytes(8_000_000), headers=FORM)
    assert (done.status_code, done.json()["code"]) == (415, "file.type_not_allowed")


async def test_a_file_service_that_closes_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with file_service(serve) as client:
        done = await client.post(PATH, content=b"x" * 1000, headers=FORM)
    assert (done.status_code, done.json()["code"]) == (503, "mesh.busy")


async def test_a_file_service_that_redirects(caplog: pytest.LogCaptureFixture) -> None:
    """It requires HTTPS and does not accept this gateway's signature."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("308 Permanent Redirect", b"", b"location: https://files.example.org/\r\n"))

    async with file_service(serve) as client:
        done = await client.post(PATH, content=b"x", headers=FORM)
    assert (done.status_code, done.json()["code"]) == (503, "mesh.busy")
    assert "MESH_SECRET" in caplog.text


async def test_a_file_service_that_does_not_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)
        writer.close()

    async with file_service(serve) as client:
        done = await client.post(PATH, content=b"x", headers=FORM)
    assert (done.status_code, done.json()["code"]) == (504, "mesh.timeout")


async def test_without_a_file_service(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    world = new_world(file_port=port)
    async with client_of(world, Authorization=f"Bearer {world.signer.token()}") as client:
        done = await client.post(PATH, content=b"x", headers=FORM)
    assert (done.status_code, done.json()["code"]) == (503, "mesh.busy")
    assert done.headers["retry-after"]
    assert str(port) not in done.text
    assert f"cannot connect to the file service at 127.0.0.1:{port} (FILE_SERVICE_URL" in caplog.text


async def test_a_file_service_at_another_address() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("201 Created", b"{}"))

    server = await asyncio.start_server(serve, "127.0.0.7", 0)
    world = new_world(file_host="127.0.0.7", file_port=server.sockets[0].getsockname()[1])
    async with client_of(world, Authorization=f"Bearer {world.signer.token()}") as client:
        assert (await client.post(PATH, content=b"x", headers=FORM)).status_code == 201
    server.close()


async def test_a_request_without_a_valid_token_is_not_forwarded() -> None:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    async with file_service(serve) as client:
        for headers in ({"authorization": ""}, {"authorization": "Bearer x"}):
            done = await client.post(PATH, content=b"x", headers={**FORM, **headers})
            assert done.status_code == 401
    assert asked == 0


async def test_an_upload_that_stalls_is_ended() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(1.5)
        yield b"x"

    async with file_service(serve) as client:
        done = await client.post(PATH, content=slowly(), headers=FORM)
    assert (done.status_code, done.json()["code"]) == (400, "body.malformed")


async def test_an_upload_that_is_too_slow_is_ended() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    async with file_service(serve, upload_rate_window_ms=400) as client, asyncio.timeout(5):
        done = await client.post(PATH, content=drips(), headers=FORM)
    assert (done.status_code, done.json()["code"]) == (400, "body.malformed")
    assert "1024 bytes a second" in done.json()["detail"]


async def test_a_file_service_that_stops_reading() -> None:
    """Once its buffers are full nothing moves; the slot is released all the same."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        await asyncio.sleep(30)

    async with file_service(serve, uploads_max=1) as client, asyncio.timeout(10):
        for _ in range(2):
            done = await client.post(PATH, content=bytes(32_000_000), headers=FORM)
            assert (done.status_code, done.json()["code"]) == (503, "mesh.busy")
            assert "read nothing" in done.json()["detail"]
            assert done.headers["retry-after"]
    assert len(heard) == 2


async def test_a_file_service_that_refuses_and_stops_reading() -> None:
    """The buffered rest is discarded: waiting until it is read could take forever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer("413 Content Too Large", b"{}"))
        await asyncio.sleep(30)

    async with file_service(serve, uploads_max=1) as client, asyncio.timeout(10):
        for _ in range(2):
            done = await client.post(PATH, content=bytes(32_000_000), headers=FORM)
            assert done.status_code == 413


async def test_concurrent_uploads_of_one_profile_are_bounded() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        writer.write(answer("201 Created", b"{}"))

    async with file_service(serve, uploads_max=4, uploads_person_max=1) as client:
        both = [client.post(PATH, content=b"x", headers=FORM) for _ in range(2)]
        first, second = sorted(await asyncio.gather(*both), key=lambda done: done.status_code)
        assert (first.status_code, second.status_code) == (201, 429)
        assert (second.json()["code"], second.headers["retry-after"]) == ("rate.limited", "5")
        assert (await client.post(PATH, content=b"x", headers=FORM)).status_code == 201
