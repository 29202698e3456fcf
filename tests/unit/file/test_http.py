"""The file service's own port: who is let in, what is refused, and in which words."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from apps.file.inbound.http import Bounds, Door
from shared.contracts.errors import TOKEN_INVALID
from shared.contracts.file import DownloadFile, File, FileLocation, FileStatus
from shared.edge.incoming import Tempo

CHANNEL = uuid4()
ADA = uuid4()
BOUNDS = Bounds(
    file_max_bytes=1000,
    uploads_max=2,
    uploads_person_max=1,
    upload_timeout_s=1.0,
    tempo=Tempo(stall_timeout_s=0.2, rate_min_bytes_s=1024, rate_window_s=0.4),
    call_timeout_ms=1000,
)
PATH = "/api/files/upload"
FORM: dict[str, Any] = {
    "data": {"channelId": str(CHANNEL)},
    "files": {"file": ("a.txt", b"tea", "text/plain")},
}


class Service:
    """What stands behind the port."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.asked: list[DownloadFile] = []

    async def call(self, operation: object, request: Any, **_: object) -> object:
        if request.token != "good":
            raise TOKEN_INVALID.error("no")
        return SimpleNamespace(profile=SimpleNamespace(id=ADA))

    async def receive(self, incoming: Any, profile_id: object, admitted: object) -> File:
        body = b""
        while piece := await incoming.read(100):
            body += piece
        await asyncio.sleep(self.takes_s)
        return File(
            id=uuid4(),
            channel_id=incoming.channel_id,
            profile_id=ADA,
            name=incoming.name,
            size=len(body),
            content_type=incoming.content_type,
            status=FileStatus.COMPLETE,
            created_at=datetime.now(UTC),
        )

    async def download(self, request: DownloadFile, call: object) -> FileLocation:
        self.asked.append(request)
        return FileLocation(url="https://s3.example.org/x", expires_at=datetime.now(UTC))


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    behind = cast(Any, service)
    app = Door(behind, behind, behind, behind, BOUNDS).app()
    headers = {"Authorization": "Bearer good", "X-Correlation-Id": "mine"}
    transport = httpx.ASGITransport(app=cast(Any, app))
    async with httpx.AsyncClient(transport=transport, base_url="http://file", headers=headers) as client:
        yield client


def code(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["x-correlation-id"] == "mine"
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def test_a_file_comes_in(http: httpx.AsyncClient) -> None:
    done = await http.post(PATH, **FORM)
    assert (done.status_code, done.json()["size"], done.json()["channelId"]) == (201, 3, str(CHANNEL))
    assert (done.headers["cache-control"], done.headers["x-correlation-id"]) == ("no-store", "mine")


async def test_a_download_leads_to_s3(http: httpx.AsyncClient, service: Service) -> None:
    file_id = uuid4()
    for query, inline in (("", "false"), ("?inline=true", "true"), ("?inline", "")):
        found = await http.get(f"/api/files/{file_id}/content{query}")
        assert (found.status_code, found.headers["location"]) == (302, "https://s3.example.org/x")
        assert (service.asked[-1].file_id, service.asked[-1].inline) == (file_id, inline)
    assert code(await http.get("/api/files/x/content")) == (400, "validation.failed")
    assert code(await http.get(f"/api/files/{file_id}/content?other=1")) == (400, "validation.failed")


@pytest.mark.parametrize(
    ("token", "expected"),
    [("Bearer bad", (401, "token.invalid")), ("Basic x", (401, "token.invalid"))],
)
async def test_strangers(http: httpx.AsyncClient, token: str, expected: tuple[int, str]) -> None:
    assert code(await http.post(PATH, headers={"Authorization": token}, **FORM)) == expected


async def test_what_is_refused(http: httpx.AsyncClient) -> None:
    large = {"data": FORM["data"], "files": {"file": ("a", bytes(20_000), "text/plain")}}
    assert code(await http.post(PATH, **large)) == (413, "body.too_large")
    assert code(await http.post(PATH, json={})) == (415, "media_type.unsupported")
    assert code(await http.get(PATH)) == (405, "method.not_allowed")
    assert code(await http.get("/")) == (404, "route.unknown")


async def test_uploads_of_one_person_at_once_are_bounded(http: httpx.AsyncClient, service: Service) -> None:
    service.takes_s = 0.2
    both = await asyncio.gather(*(http.post(PATH, **FORM) for _ in range(2)))
    first, second = sorted(both, key=lambda done: done.status_code)
    assert (first.status_code, code(second)) == (201, (429, "rate.limited"))
    assert second.headers["retry-after"] == "5"
    assert (await http.post(PATH, **FORM)).status_code == 201


async def test_an_upload_may_take_so_long(http: httpx.AsyncClient, service: Service) -> None:
    service.takes_s = 5
    assert code(await http.post(PATH, **FORM)) == (400, "body.malformed")


async def test_an_upload_may_stand_still_so_long(http: httpx.AsyncClient) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        await asyncio.sleep(1)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert code(await http.post(PATH, content=slowly(), headers=headers)) == (400, "body.malformed")


async def test_an_upload_that_drips_is_cut(http: httpx.AsyncClient) -> None:
    async def drips() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        while True:
            await asyncio.sleep(0.05)
            yield b"A"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    slow = await http.post(PATH, content=drips(), headers=headers)
    assert code(slow) == (400, "body.malformed")
    assert "1024 bytes a second" in slow.json()["detail"]
