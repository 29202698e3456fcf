"""The gateway as a process, on the real broker: startup, revoked sessions, shutdown."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from shared.contracts.account import KEYS_GET, USER_GET, GetKeys, GetProfile, Jwks, Profile
from shared.contracts.event import SESSION_REVOKED, Event, SessionRevoked
from shared.contracts.examples import example_of
from shared.kit.clock import SystemIds
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call
from tests.e2e.concord import Process
from tests.fakes.gateway import PROFILE_ID, SESSION_ID, Signer
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    make_topics,
    running_service,
    settings_for,
)
from tests.unit.kit.rpc.calls import SECRET, SIGNATURES

ME = "/api/auth/me"
REVOKED_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def auth_with(signer: Signer) -> HandlerRegistry:
    """Return the handlers of an auth service with one account."""

    async def answer(request: GetKeys | GetProfile, call: Call) -> Jwks | Profile:
        if call.operation is KEYS_GET:
            return signer.jwks
        assert call.operation is USER_GET
        return msgspec.convert(example_of(Profile), Profile)

    return answering_all("auth", answer)


def start_gateway(bootstrap: str, folder: Path, **settings: str) -> Process:
    environ = {
        **os.environ,
        "CONCORD_DATA": str(folder / "data"),
        "CONCORD_PREPARED": "1",
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "MESH_SECRET": SECRET,
        "RATE_LIMIT_PER_MINUTE": "0",
        **{
            f"{name}_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"
            for name in ("AUTH", "SERVER", "MESSAGE")
        },
        **settings,
    }
    return Process("gateway", environ, folder / "gateway.log")


@asynccontextmanager
async def gateway_of(bootstrap: str, folder: Path, **settings: str) -> AsyncIterator[Process]:
    """Yield a gateway that is ready."""
    process = start_gateway(bootstrap, folder, **settings)
    try:
        await asyncio.to_thread(process.wait_ready)
        yield process
    finally:
        await asyncio.to_thread(process.stop)


@asynccontextmanager
async def auth_on(bootstrap: str, signer: Signer) -> AsyncIterator[None]:
    await make_request_topics(bootstrap, "auth")
    await make_topics(bootstrap, "user-events", "rate-limits")
    async with running_service(settings_for(bootstrap), auth_with(signer)):
        yield


async def revoke(bootstrap: str, session_id: UUID) -> None:
    data = SessionRevoked(session_id=session_id, profile_id=PROFILE_ID)
    event = Event(
        id=SystemIds().new(),
        type=SESSION_REVOKED.name,
        occurred_at=datetime.now(UTC),
        revision=1,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        value = msgspec.json.encode(event)
        signature = SIGNATURES.signature("user-events", b"x", value, [])
        await producer.send_and_wait("user-events", value, key=b"x", headers=[signature])
    finally:
        await producer.stop()


async def test_serves_with_the_keys_of_auth_and_exits_with_zero(
    kafka_bootstrap: str, tmp_path: Path, signer: Signer
) -> None:
    async with auth_on(kafka_bootstrap, signer), gateway_of(kafka_bootstrap, tmp_path) as process:
        async with httpx.AsyncClient(base_url=process.url) as http:
            headers = {"Authorization": f"Bearer {signer.token()}"}
            assert (await http.get(ME, headers=headers)).json() == example_of(Profile)
            keys = (await http.get("/.well-known/jwks.json")).json()
            assert keys == msgspec.to_builtins(signer.jwks)
            parts = (await http.get("/health/ready")).json()["parts"]
            assert {"kafka", "replies", "keys", "revocations"} <= parts.keys()
            metrics = (await http.get("/metrics")).text
            assert (
                'concord_http_request_seconds_count{method="GET",route="/api/auth/me",status="200"} 1.0'
                in metrics
            )
        assert await asyncio.to_thread(process.stop) == 0
        log = process.log.read_text()
        assert '"route":"/api/auth/me"' in log
        assert "Traceback" not in log


async def test_a_revoked_session_stays_revoked_also_for_a_new_gateway(
    kafka_bootstrap: str, tmp_path: Path, signer: Signer
) -> None:
    headers = {"Authorization": f"Bearer {signer.token(sid=str(UUID(int=7)))}"}
    async with auth_on(kafka_bootstrap, signer):
        async with (
            gateway_of(kafka_bootstrap, tmp_path) as process,
            httpx.AsyncClient(base_url=process.url, headers=headers) as http,
        ):
            assert (await http.get(ME)).status_code == 200
            await revoke(kafka_bootstrap, UUID(int=7))
            deadline = time.monotonic() + REVOKED_WITHIN_S
            while (answer := await http.get(ME)).status_code == 200:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            assert answer.json()["code"] == "token.invalid"
        async with (
            gateway_of(kafka_bootstrap, tmp_path) as process,
            httpx.AsyncClient(base_url=process.url, headers=headers) as http,
        ):
            assert (await http.get(ME)).json()["code"] == "token.invalid"
            other = {"Authorization": f"Bearer {signer.token()}"}
            assert (await http.get(ME, headers=other)).status_code == 200
    assert UUID(int=7) != SESSION_ID


async def test_without_kafka_it_reports_what_is_missing_and_still_exits(tmp_path: Path) -> None:
    process = start_gateway(f"127.0.0.1:{free_port()}", tmp_path)
    try:
        async with httpx.AsyncClient(base_url=process.url) as http:
            parts = await _parts_once_up(http)
            assert parts["kafka connecting"] != "ready"
            assert {"replies", "keys", "revocations"} <= parts.keys()
            assert (await http.get("/health/live")).status_code == 200
            assert (await http.get("/api/docs")).status_code == 200
            signin = {"email": "ada@example.org", "password": "correct horse battery"}
            busy = await http.post("/api/auth/signin", json=signin)
            assert (busy.status_code, busy.json()["code"]) == (503, "mesh.busy")
            assert busy.headers["retry-after"] == "1"
    finally:
        assert await asyncio.to_thread(process.stop) == 0


async def test_exits_in_time_even_if_kafka_is_gone(tmp_path: Path, jar_cache: JarCache) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    kafka.start(print)
    kafka.wait_ready()
    try:
        await make_topics(kafka.bootstrap, "user-events", "keys.get", "user.get")
        process = start_gateway(kafka.bootstrap, tmp_path)
        async with httpx.AsyncClient(base_url=process.url) as http:
            async with asyncio.timeout(30):
                while (await _parts(http)).get("revocations") != "ready":
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(kafka.stop)
            signing_in = asyncio.create_task(
                http.post(
                    "/api/auth/signin",
                    json={"email": "ada@example.org", "password": "correct horse battery"},
                    timeout=20,
                )
            )
            await asyncio.sleep(0.5)
            started = time.monotonic()
            assert await asyncio.to_thread(process.stop) == 0
            assert time.monotonic() - started < 8
            answer = await signing_in
            assert (answer.status_code, answer.json()["code"]) == (503, "mesh.busy")
    finally:
        kafka.stop()


async def _parts(http: httpx.AsyncClient) -> dict[str, str]:
    try:
        return (await http.get("/health/ready")).json()["parts"]  # type: ignore[no-any-return]
    except httpx.ConnectError:
        return {}


async def _parts_once_up(http: httpx.AsyncClient) -> dict[str, str]:
    async with asyncio.timeout(30):
        while True:
            try:
                answer = await http.get("/health/ready")
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
                continue
            assert answer.status_code == 503
            parts: dict[str, str] = answer.json()["parts"]
            if parts.get("kafka connecting", "starting") != "starting":
                return parts
            await asyncio.sleep(0.05)
