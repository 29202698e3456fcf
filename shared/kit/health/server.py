"""The HTTP server of the health endpoints, on a port of its own."""

import asyncio
import contextlib
import socket

import uvicorn

from shared.kit.health.checks import Health
from shared.kit.health.endpoints import health_app
from shared.kit.http.server import Server
from shared.kit.http.sockets import listen


class _HealthServer(Server):
    """A server that signals when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class HealthServer:
    """A running health server."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], port: int) -> None:
        self._server = server
        self._task = task
        self.port = port

    async def close(self) -> None:
        """Stop listening; running requests get one second."""
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def serve_health(health: Health, host: str, port: int, setting: str = "HEALTH_PORT") -> HealthServer:
    """Serve in this event loop. Port 0 takes any free one. Raises `PortError` that names `setting`."""
    sock = listen(host, port, setting)
    config = uvicorn.Config(
        health_app(health),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=100,
        timeout_graceful_shutdown=1,
    )
    server = _HealthServer(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="health")
    up = asyncio.create_task(server.up.wait())
    await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        up.cancel()
        task.result()
    return HealthServer(server, task, sock.getsockname()[1])
