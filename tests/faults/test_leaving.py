"""On SIGTERM every process becomes not ready, finishes its pending requests, and exits."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from tests.e2e.concord import Process
from tests.e2e.people import Person, sign_up
from tests.faults.conftest import Mesh
from tests.support.s3 import TestedS3, s3_settings

WAITS_FOR_A_LOCK = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
COMES_IN = "SELECT count(*) FROM files WHERE status = 'PENDING'"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


class Stage:
    """Ada with a server, and the request to each service while a row that it needs is locked."""

    def __init__(self, mesh: Mesh, http: httpx.Client) -> None:
        self.mesh = mesh
        self.ada: Person = sign_up(http)
        self.server: dict[str, Any] = self.ada.make_server()
        self.channel: str = self.server["channels"][0]["id"]
        assert self.ada.send(self.channel, "now the message service has a row of it").status_code == 201

    def row_of(self, service: str) -> tuple[str, str]:
        """Return table and id of the row that the request below waits for."""
        rows = {
            "auth": ("accounts", self.ada.id),
            "server": ("servers", self.server["id"]),
            "message": ("channels", self.channel),
        }
        return rows[service]

    def ask(self, service: str) -> httpx.Response:
        """Send a request that makes this service write."""
        match service:
            case "auth":
                return self.ada.patch("/api/auth/me", json={"name": "Ada Lovelace"})
            case "server":
                return self.ada.patch(f"/api/servers/{self.server['id']}", json={"name": "Analytical"})
            case _:
                return self.ada.send(self.channel, "in hand")

    async def until_counted(self, service: str, count: str) -> None:
        """Wait until a query of a service's database returns a count above zero."""
        connection = await asyncpg.connect(self.url_of(service))
        try:
            async with asyncio.timeout(10):
                while not await connection.fetchval(count):
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()

    def url_of(self, service: str) -> str:
        return self.mesh.concord.environ[f"{service.upper()}_DATABASE_URL"]

    @asynccontextmanager
    async def waiting(self, service: str) -> AsyncIterator[asyncio.Task[httpx.Response]]:
        """Run a request that waits in the service for a locked row; unlock the row at the end."""
        table, row_id = self.row_of(service)
        connection = await asyncpg.connect(self.url_of(service))
        try:
            async with connection.transaction():
                locked = await connection.fetch(f"SELECT 1 FROM {table} WHERE id = $1 FOR UPDATE", row_id)
                assert len(locked) == 1
                asking = asyncio.create_task(asyncio.to_thread(self.ask, service))
                await self.until_counted(service, WAITS_FOR_A_LOCK)
                assert not asking.done()
                yield asking
        finally:
            await connection.close()


@pytest.fixture
def processes(mesh: Mesh, s3: TestedS3) -> dict[str, Process]:
    """Run one process of each service, by name. The gateway is not ready for a second before it exits."""
    mesh.concord.environ.update(s3_settings(s3) | {"DRAIN_NOTICE_MS": "1000"})
    started = mesh.concord.start("gateway", "auth", "server", "message", "file")
    mesh.concord.wait_ready()
    return {process.service: process for process in started}


@pytest.fixture
def stage(mesh: Mesh, processes: dict[str, Process]) -> Iterator[Stage]:
    with httpx.Client(base_url=processes["gateway"].url, timeout=20) as http:
        yield Stage(mesh, http)


async def leaves(process: Process) -> None:
    """Send SIGTERM and check that the process is alive and not ready."""
    async with httpx.AsyncClient(base_url=process.url) as http:
        assert (await http.get("/health/ready")).status_code == 200
        os.kill(process.pid, signal.SIGTERM)
        async with asyncio.timeout(5):
            while (answer := await http.get("/health/ready")).status_code != 503:
                await asyncio.sleep(0.02)
        assert answer.json()["status"] == "not ready"
        assert process.alive(), process.service
        assert (await http.get("/health/live")).status_code == 200


async def test_each_service_finishes_its_pending_requests(
    stage: Stage, processes: dict[str, Process]
) -> None:
    # The service that others call stops last.
    for service in ("message", "server", "auth"):
        async with stage.waiting(service) as asking:
            await leaves(processes[service])
            assert not asking.done()
        answer = await asking
        assert answer.is_success, f"{service}: {answer.text}"
        assert await asyncio.to_thread(processes[service].stop) == 0


async def test_the_gateway_finishes_its_pending_requests(stage: Stage, processes: dict[str, Process]) -> None:
    gateway = processes["gateway"]
    async with stage.waiting("message") as asking:
        await leaves(gateway)
        me = await asyncio.to_thread(stage.ada.get, "/api/auth/me")
        assert me.status_code == 200, "a balancer that has not looked yet sends on"
    assert (await asking).status_code == 201
    assert await asyncio.to_thread(gateway.stop) == 0


async def test_the_file_service_finishes_an_upload(stage: Stage, processes: dict[str, Process]) -> None:
    rest = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n' + stage.channel.encode()
        yield b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
        yield b"Content-Type: text/plain\r\n\r\n" + b"tea for two\n" * 10_000
        assert rest.wait(10)
        yield b"and a cup\r\n--x--\r\n"

    upload = {"content": pieces(), "headers": FORM}
    asking = asyncio.create_task(asyncio.to_thread(stage.ada.post, "/api/files/upload", **upload))
    await stage.until_counted("file", COMES_IN)
    await leaves(processes["file"])
    rest.set()
    answer = await asking
    assert answer.status_code == 201, answer.text
    assert answer.json()["size"] == 120_009
    assert await asyncio.to_thread(processes["file"].stop) == 0
