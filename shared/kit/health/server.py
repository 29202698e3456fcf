"""The little HTTP server of a process: `/health/live`, `/health/ready`, `/metrics`."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import msgspec
import uvicorn
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from shared.kit.health.checks import Health
from shared.kit.http.sockets import listen

_Message = MutableMapping[str, Any]
_App = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]


class Answer(msgspec.Struct):
    """What a path answers."""

    status: int
    content_type: str
    body: bytes


async def live() -> Answer:
    """The event loop turns."""
    return Answer(200, "application/json", b'{"status":"alive"}')


async def ready(health: Health) -> Answer:
    """200 when every part is ready, else 503 that names each part that is not."""
    report = await health.report()
    return Answer(200 if report.is_ready else 503, "application/json", msgspec.json.encode(report))


def metrics(accept: str) -> Answer:
    """All counters of the process, in the Prometheus format that the caller reads best."""
    encode, content_type = choose_encoder(accept)
    return Answer(200, content_type, encode(REGISTRY))


def health_app(health: Health) -> _App:
    """The ASGI app, for a server of its own or to be mounted into another."""

    async def app(
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        answer = await _answer(scope, health)
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    return app


async def _answer(scope: _Message, health: Health) -> Answer:
    if scope["method"] not in ("GET", "HEAD"):
        return Answer(405, "text/plain", b"only GET and HEAD\n")
    if scope["path"] == "/health/live":
        return await live()
    if scope["path"] == "/health/ready":
        return await ready(health)
    if scope["path"] == "/metrics":
        return metrics(dict(scope["headers"]).get(b"accept", b"").decode("latin-1"))
    return Answer(404, "text/plain", b"/health/live, /health/ready, /metrics\n")


class _Server(uvicorn.Server):
    """Says when it is up. Signals belong to the service, not to its health server."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HealthServer:
    """A running health server."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], port: int) -> None:
        self._server = server
        self._task = task
        self.port = port

    async def close(self) -> None:
        """Stop listening; calls in hand get a second."""
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
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="health")
    up = asyncio.create_task(server.up.wait())
    await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        up.cancel()
        task.result()
    return HealthServer(server, task, sock.getsockname()[1])
