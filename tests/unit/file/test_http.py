"""The file service's own port: authentication, limits, errors and headers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest

from apps.file.inbound.http import FileApp, UploadAuth, UploadBounds
from apps.file.inbound.http_listener import rate_limits, with_edge
from apps.file.settings import FileSettings
from shared.contracts.file import FILE_UPLOAD, DownloadFile, File, FileLocation, FileStatus
from shared.edge.auth.authenticator import Authenticator
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.auth.revoked_sessions import RevokedSessions
from shared.edge.client_address.internal_hop import HEADER, InternalHop
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.http_metrics import HttpMetrics
from shared.edge.uploads.body_reader import MinimumRate
from shared.kit.clock import SystemClock
from shared.kit.health.checks import Component
from shared.kit.security.access_tokens import TokenVerifier, public_keys
from shared.kit.telemetry.log_context import traceparent_var
from shared.kit.wire.call import Call
from tests.fakes.gateway import PROFILE_ID, FakeServiceClient, Signer
from tests.unit.kit.rpc.calls import SECRET, SIGNATURES

CHANNEL = uuid4()
BOUNDS = UploadBounds(
    file_max_bytes=1000,
    uploads_max=2,
    uploads_person_max=1,
    upload_timeout_s=1.0,
    rate=MinimumRate(stall_timeout_s=0.2, rate_min_bytes_s=1024, rate_window_s=0.4),
    call_timeout_ms=1000,
)
PATH = "/api/files/upload"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FORM: dict[str, Any] = {
    "data": {"channelId": str(CHANNEL)},
    "files": {"file": ("a.txt", b"tea", "text/plain")},
}


class Service:
    """Fake use cases behind the port."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.asked: list[DownloadFile] = []
        self.calls: list[Call | None] = []
        self.traces: list[str | None] = []

    async def receive(self, incoming: Any, profile_id: UUID, correlation_id: str, call: Call | None) -> File:
        self.calls.append(call)
        self.traces.append(traceparent_var.get())
        body = b""
        while piece := await incoming.read(100):
            body += piece
        await asyncio.sleep(self.takes_s)
        return File(
            id=uuid4(),
            channel_id=incoming.channel_id,
            profile_id=profile_id,
            name=incoming.name,
            size=len(body),
            content_type=incoming.content_type,
            status=FileStatus.COMPLETE,
            created_at=datetime.now(UTC),
        )

    async def download(self, request: DownloadFile, call: object) -> FileLocation:
        self.asked.append(request)
        return FileLocation(url="https://s3.example.org/x", expires_at=datetime.now(UTC))


SIGNER = Signer()
TOKEN = f"Bearer {SIGNER.token()}"


def client_of(service: Service, **changes: Any) -> httpx.AsyncClient:
    """Return a client with a token, at a port with these settings."""
    settings = FileSettings(file_database_url="", mesh_secret=SECRET, **changes)
    clock = SystemClock()
    keys = JwksCache(FakeServiceClient(), Component(), 120)
    keys.by_kid.update(public_keys(SIGNER.jwks))
    keys.document = b"{}"
    verifier = TokenVerifier(keys.by_kid, "concord", "concord", clock)
    authenticator = Authenticator(verifier, keys, RevokedSessions(clock, timedelta(minutes=15), 10))
    authenticator.caught_up = True
    proxies, internal_hop = (
        TrustedProxies(settings.trusted_proxies, settings.proxy_header),
        InternalHop(SIGNATURES),
    )
    auth = UploadAuth(authenticator, rate_limits(settings, proxies), internal_hop)
    behind = cast(Any, service)
    app = FileApp(auth, behind, service.download, BOUNDS).app()
    edge = with_edge(app, settings, proxies, internal_hop, HttpMetrics(), None)
    headers = {"Authorization": TOKEN, "X-Correlation-Id": "mine"}
    transport = httpx.ASGITransport(app=edge)
    return httpx.AsyncClient(transport=transport, base_url="http://file", headers=headers)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(service) as client:
        yield client


def code(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["x-correlation-id"] == "mine"
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


async def test_a_file_comes_in(http: httpx.AsyncClient) -> None:
    done = await http.post(PATH, **FORM)
    assert (done.status_code, done.json()["size"], done.json()["channelId"]) == (201, 3, str(CHANNEL))
    assert (done.headers["cache-control"], done.headers["x-correlation-id"]) == ("no-store", "mine")
    assert done.json()["profileId"] == str(PROFILE_ID)


async def test_a_download_leads_to_s3(http: httpx.AsyncClient, service: Service) -> None:
    file_id = uuid4()
    for query, inline in (("", "false"), ("?inline=true", "true"), ("?inline", "")):
        found = await http.get(f"/api/files/{file_id}/content{query}")
        assert (found.status_code, found.headers["location"]) == (302, "https://s3.example.org/x")
        assert (service.asked[-1].file_id, service.asked[-1].inline) == (file_id, inline)
    assert code(await http.get("/api/files/x/content")) == (400, "validation.failed")
    assert code(await http.get(f"/api/files/{file_id}/content?other=1")) == (400, "validation.failed")


async def test_a_key_goes_on_as_a_gateway_says_it(http: httpx.AsyncClient, service: Service) -> None:
    for key in ("k 1~", "\t k 1~ "):
        assert (await http.post(PATH, headers={"Idempotency-Key": key}, **FORM)).status_code == 201
    assert (await http.post(PATH, **FORM)).status_code == 201
    keys = [None if call is None else call.idempotency_key for call in service.calls]
    assert keys == [f"POST {PATH} k 1~"] * 2 + [None]
    assert service.calls[0] is not None
    assert (service.calls[0].operation, service.calls[0].correlation_id) == (FILE_UPLOAD, "mine")


@pytest.mark.parametrize("key", [b"", b" ", b"k" * 256, b"\xc3\xbc", b"a\tb"])
async def test_a_bad_key_is_told(http: httpx.AsyncClient, service: Service, key: bytes) -> None:
    refused = await http.post(PATH, headers={"Idempotency-Key": key}, **FORM)
    assert code(refused) == (400, "validation.failed")
    assert [fault["path"] for fault in refused.json()["errors"]] == ["Idempotency-Key"]
    assert service.calls == []


async def test_the_trace_of_the_caller_goes_on(http: httpx.AsyncClient, service: Service) -> None:
    for trace in (TRACE, "nonsense"):
        assert (await http.post(PATH, headers={"traceparent": trace}, **FORM)).status_code == 201
    assert service.traces == [TRACE, None]


STRANGERS = {
    "no token": ("Bearer bad", "token.invalid"),
    "another scheme": ("Basic x", "token.invalid"),
    "another key": (f"Bearer {Signer().token()}", "token.invalid"),
    "an old one": (f"Bearer {SIGNER.token(datetime.now(UTC) - timedelta(hours=1))}", "token.expired"),
}


@pytest.mark.parametrize("who", STRANGERS)
async def test_strangers(http: httpx.AsyncClient, who: str) -> None:
    token, expected = STRANGERS[who]
    assert code(await http.post(PATH, headers={"Authorization": token}, **FORM)) == (401, expected)


async def test_what_is_refused(http: httpx.AsyncClient) -> None:
    large = {"data": FORM["data"], "files": {"file": ("a", bytes(20_000), "text/plain")}}
    assert code(await http.post(PATH, **large)) == (413, "file.too_large")
    assert code(await http.post(PATH, json={})) == (415, "media_type.unsupported")
    wrong = await http.get(PATH)
    assert code(wrong) == (405, "method.not_allowed")
    assert set(wrong.headers["allow"].split(", ")) == {"OPTIONS", "POST"}
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


async def test_callers_have_a_limit(service: Service) -> None:
    """Counted by profile with a valid token, by network without one, like at the gateway."""
    async with client_of(service, rate_limit_per_minute=2) as http:
        done = await http.post(PATH, **FORM)
        assert (done.status_code, done.headers["ratelimit-policy"]) == (201, '"caller";q=2;w=60')
        assert done.headers["ratelimit"].startswith('"caller";r=1;')
        assert (await http.get(f"/api/files/{uuid4()}/content")).status_code == 302
        refused = await http.post(PATH, **FORM)
        assert code(refused) == (429, "rate.limited")
        assert 0 < int(refused.headers["retry-after"]) <= 30
        other = {"Authorization": f"Bearer {SIGNER.token(sub=str(uuid4()))}"}
        assert (await http.post(PATH, headers=other, **FORM)).status_code == 201
        answers = [await http.post(PATH, headers={"Authorization": "Bearer x.y.z"}, **FORM) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert answers[-1].headers["ratelimit-policy"] == '"network";q=2;w=60'


async def test_who_comes_by_a_gateway_was_counted_there(service: Service) -> None:
    async with client_of(service, rate_limit_per_minute=1) as http:
        assert (await http.post(PATH, **FORM)).status_code == 201
        name, value = InternalHop(SIGNATURES).header(TOKEN.encode())
        internal_hop = {name.decode(): value.decode()}
        for _ in range(3):
            done = await http.post(PATH, headers=internal_hop, **FORM)
            assert (done.status_code, "ratelimit" in done.headers) == (201, False)
        for other in ("x", "", "9" * 500, value.decode()[:-1] + "?"):
            refused = await http.post(PATH, headers={HEADER.decode(): other}, **FORM)
            assert code(refused) == (429, "rate.limited")
        no_token = await http.post(PATH, headers={**internal_hop, "Authorization": "Bearer x"}, **FORM)
        assert code(no_token) == (401, "token.invalid")


async def test_limits_can_be_turned_off(service: Service) -> None:
    async with client_of(service, rate_limit_per_minute=0) as http:
        for _ in range(3):
            done = await http.post(PATH, **FORM)
            assert (done.status_code, "ratelimit" in done.headers) == (201, False)


async def test_what_every_answer_has(http: httpx.AsyncClient) -> None:
    sane = {"X-Correlation-Id": "bad id"}
    for answer in (
        await http.post(PATH, headers=sane, **FORM),
        await http.get("/nothing", headers=sane),
        await http.post(PATH, headers={**sane, "Authorization": "x"}, **FORM),
    ):
        assert UUID(answer.headers["x-correlation-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
        if answer.is_error:
            assert answer.json()["correlationId"] == answer.headers["x-correlation-id"]
            assert answer.json()["instance"] in (PATH, "/nothing")


async def test_pages_of_allowed_origins_may_call(service: Service) -> None:
    origin = {"Origin": "https://app.example.org"}
    asks = {**origin, "Access-Control-Request-Method": "POST"}
    async with client_of(service, cors_origins=("https://app.example.org",)) as http:
        may = await http.options(PATH, headers=asks)
        assert (may.status_code, may.headers["access-control-allow-origin"]) == (204, origin["Origin"])
        assert "Authorization" in may.headers["access-control-allow-headers"]
        done = await http.post(PATH, headers=origin, **FORM)
        assert done.headers["access-control-allow-origin"] == origin["Origin"]
        other = await http.post(PATH, headers={"Origin": "https://evil.example"}, **FORM)
        assert "access-control-allow-origin" not in other.headers


async def test_what_nobody_expected_is_not_told(http: httpx.AsyncClient, service: Service) -> None:
    service.takes_s = cast(Any, "soon")
    failed = await http.post(PATH, **FORM)
    assert code(failed) == (500, "internal.error")
    assert "soon" not in failed.text
