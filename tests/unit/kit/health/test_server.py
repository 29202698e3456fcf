"""The health server and its endpoints."""

import signal
import socket

import httpx
import pytest

from shared.kit.health.checks import Health
from shared.kit.health.server import serve_health
from shared.kit.http.sockets import PortError


async def test_the_server_answers() -> None:
    health = Health()
    component = health.component("kafka")
    before = signal.getsignal(signal.SIGTERM)
    server = await serve_health(health, "127.0.0.1", 0)
    assert signal.getsignal(signal.SIGTERM) is before
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            assert (await client.get("/health/live")).json() == {"status": "alive"}
            response = await client.get("/health/ready")
            assert (response.status_code, response.json()) == (
                503,
                {"status": "not ready", "parts": {"kafka": "starting"}},
            )
            component.ready()
            response = await client.get("/health/ready")
            assert (response.status_code, response.json()["status"]) == (200, "ready")
            response = await client.get("/metrics")
            assert "python_info" in response.text
            assert response.headers["content-type"].startswith("text/plain")
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
