"""The HTTP server of the process, and its shutdown: report not ready, finish the requests, stop."""

import asyncio
import logging

from litestar.types import ASGIApp

from apps.gateway.forward import Admission
from apps.gateway.settings import GatewaySettings
from shared.contracts.file import UPLOAD_PATH
from shared.kit.health.checks import Component
from shared.kit.http import server
from shared.kit.http.connection_limits import HttpBounds
from shared.kit.http.server import Server
from shared.kit.http.sockets import allow_connections, listen

log = logging.getLogger(__name__)

_LAST_RESPONSES_S = 0.5


def make_server(app: ASGIApp, settings: GatewaySettings) -> Server:
    """Return a server with the bounds of these settings."""
    bounds = HttpBounds(
        connections_max=settings.connections_max,
        head_max_bytes=settings.head_max_bytes,
        head_timeout_ms=settings.head_timeout_ms,
        body_timeout_ms=settings.body_timeout_ms,
        upload_path=UPLOAD_PATH.encode(),
        upload_timeout_ms=settings.upload_timeout_ms,
    )
    return server.make_server(
        app,
        bounds,
        keep_alive_ms=settings.keep_alive_ms,
        drain_timeout_ms=settings.drain_timeout_ms,
    )


async def serve_until(
    stop: asyncio.Event, server: Server, settings: GatewaySettings, admission: Admission, component: Component
) -> None:
    """Serve until `stop` is set, then shut down. Raises `PortError` if the port cannot be opened."""
    allow_connections(settings.connections_max)
    sock = listen(settings.gateway_host, settings.gateway_port, "GATEWAY_PORT")
    serving = asyncio.create_task(server.serve(sockets=[sock]), name="http")
    stopped = asyncio.create_task(stop.wait())
    component.ready()
    log.info("listening on %s port %d", settings.gateway_host, sock.getsockname()[1])
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    component.down("leaving")
    log.info("shutting down with %d request(s) in flight", admission.in_flight)
    await asyncio.sleep(settings.drain_notice_ms / 1000)
    admission.drain()
    server.should_exit = True
    await serving
    # The server has cancelled the requests that took too long; their callers still get a response.
    if tasks := server.server_state.tasks:
        await asyncio.wait(tasks, timeout=_LAST_RESPONSES_S)
