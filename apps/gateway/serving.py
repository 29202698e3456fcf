"""The HTTP server of the process, and how it leaves: not ready first, then what is in hand, then gone."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from apps.gateway.forward import Desk
from apps.gateway.protocol import bounded_protocol
from apps.gateway.settings import GatewaySettings
from shared.kit.health import Part
from shared.kit.sockets import allow_connections, listen

log = logging.getLogger(__name__)

_LAST_ANSWERS_S = 0.5


class Server(uvicorn.Server):
    """Signals belong to the process, not to the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them as they are."""
        yield


def make_server(app: ASGIApp, settings: GatewaySettings) -> Server:
    """uvicorn with the gateway's own connections; the signals, logs and figures are the gateway's too."""
    options: dict[str, Any] = {
        "http": bounded_protocol(settings),
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": settings.keep_alive_ms / 1000,
        "timeout_graceful_shutdown": settings.drain_timeout_ms / 1000,
    }
    return Server(uvicorn.Config(app, **options))


async def serve_until(
    stop: asyncio.Event, server: Server, settings: GatewaySettings, desk: Desk, serving: Part
) -> None:
    """Serve until `stop` is set, then leave. Raises `PortError` when the port can not be had."""
    allow_connections(settings.connections_max)
    sock = listen(settings.gateway_host, settings.gateway_port, "GATEWAY_PORT")
    running = asyncio.create_task(server.serve(sockets=[sock]), name="http")
    stopped = asyncio.create_task(stop.wait())
    serving.ready()
    log.info("listening on %s port %d", settings.gateway_host, sock.getsockname()[1])
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    serving.down("leaving")
    log.info("leaving with %d request(s) in hand", desk.in_flight)
    await asyncio.sleep(settings.drain_notice_ms / 1000)
    desk.draining = True
    server.should_exit = True
    await running
    # The server cancelled what was not done in time; those callers still get their answer.
    if tasks := server.server_state.tasks:
        await asyncio.wait(tasks, timeout=_LAST_ANSWERS_S)
