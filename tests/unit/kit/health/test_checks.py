"""Health: parts, probes, and the little server."""

import asyncio
import signal
import socket

import httpx
import pytest

from shared.kit.health.checks import Health
from shared.kit.health.server import serve_health
from shared.kit.http.sockets import PortError


async def test_parts_begin_as_not_ready() -> None:
    health = Health()
    part = health.part("kafka")
    assert (await health.report()).parts == {"kafka": "starting"}
    part.ready()
    assert (await health.report()).is_ready
    part.down("no broker answers")
    report = await health.report()
    assert (report.status, report.parts) == ("not ready", {"kafka": "no broker answers"})


async def test_a_part_that_comes_while_the_others_are_asked() -> None:
    health = Health()

    async def grows() -> None:
        health.part("later")

    health.probe("database", grows)
    assert (await health.report()).parts == {"database": "ready"}
    assert set((await health.report()).parts) == {"database", "later"}


def test_a_name_is_used_once() -> None:
    health = Health()
    health.part("kafka")
    with pytest.raises(ValueError, match="kafka"):
        health.part("kafka")


async def test_a_probe_that_fails_or_hangs_is_not_ready_and_shows_no_secret() -> None:
    async def fails() -> None:
        raise OSError("postgresql://ada:hunter2@h/d")

    health = Health()
    health.probe("database", fails)
    health.probe("slow", lambda: asyncio.sleep(60), timeout_s=0.01)
    health.probe("fine", lambda: asyncio.sleep(0))
    report = await health.report()
    assert report.parts == {"database": "failed: OSError", "slow": "no answer within 0.01 s", "fine": "ready"}


async def test_a_probe_is_asked_once_a_second_by_however_many() -> None:
    now, asked = 0.0, 0

    async def probe() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)

    health = Health(now_s=lambda: now)
    health.probe("database", probe)
    await asyncio.gather(*(health.report() for _ in range(10)))
    now = 0.9
    await health.report()
    assert asked == 1
    now = 1.1
    await health.report()
    assert asked == 2


async def test_the_server_answers() -> None:
    health = Health()
    part = health.part("kafka")
    before = signal.getsignal(signal.SIGTERM)
    server = await serve_health(health, "127.0.0.1", 0)
    assert signal.getsignal(signal.SIGTERM) is before
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            assert (await client.get("/health/live")).json() == {"status": "alive"}
            answer = await client.get("/health/ready")
            assert (answer.status_code, answer.json()) == (
                503,
                {"status": "not ready", "parts": {"kafka": "starting"}},
            )
            part.ready()
            answer = await client.get("/health/ready")
            assert (answer.status_code, answer.json()["status"]) == (200, "ready")
            answer = await client.get("/metrics")
            assert "python_info" in answer.text
            assert answer.headers["content-type"].startswith("text/plain")
            openmetrics = await client.get("/metrics", headers={"accept": "application/openmetrics-text"})
            assert openmetrics.text.endswith("# EOF\n")
            assert (await client.get("/else")).status_code == 404
            assert (await client.post("/metrics")).status_code == 405
            assert (await client.head("/health/live")).text == ""
    finally:
        await server.close()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
        pass


async def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PortError, match=f"HEALTH_PORT: port {port} on 127.0.0.1 is taken by another process"
        ):
            await serve_health(Health(), "127.0.0.1", port)
