"""The HTTP server of the file service, as a part of the process."""

import asyncio
import logging

from shared.contracts.file import UPLOAD_PATH
from shared.edge.access_log import AccessLog
from shared.edge.client_address.internal_hop import InternalHop
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.cors import Cors
from shared.edge.http_metrics import HttpMetrics
from shared.edge.https_redirect import https_of
from shared.edge.middleware import EdgeMiddleware
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.settings import EdgeSettings
from shared.kit.clock import any_id
from shared.kit.health.checks import Component
from shared.kit.http.asgi import Asgi
from shared.kit.http.protocol import HttpBounds
from shared.kit.http.server import make_server
from shared.kit.http.sockets import listen

log = logging.getLogger(__name__)

_KEEP_ALIVE_MS = 30_000
_CONNECTIONS_MAX = 1_000


class HttpListener:
    """Listens from `open` to `close`."""

    def __init__(
        self,
        app: Asgi,
        access_log: AccessLog | None,
        place: tuple[str, int],
        part: Component,
        *,
        upload_timeout_ms: int,
        drain_timeout_ms: int,
    ) -> None:
        self._host, self._port = place
        self._access_log = access_log
        self._part = part
        bounds = HttpBounds(
            connections_max=_CONNECTIONS_MAX,
            upload_path=UPLOAD_PATH.encode(),
            upload_timeout_ms=upload_timeout_ms,
        )
        self._server = make_server(
            app, bounds, keep_alive_ms=_KEEP_ALIVE_MS, drain_timeout_ms=drain_timeout_ms
        )
        self._serving: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to listen. Raises `PortError`."""
        sock = listen(self._host, self._port, "FILE_PORT")
        self._serving = asyncio.create_task(self._server.serve(sockets=[sock]), name="http")
        self._serving.add_done_callback(lambda _: self._part.down("stopped"))
        self._part.ready()
        log.info("listening on %s port %d", self._host, sock.getsockname()[1])

    async def close(self) -> None:
        """Take no more; what is under way gets the drain time."""
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._access_log is not None:
            self._access_log.flush()


def edge_of(
    app: Asgi,
    settings: EdgeSettings,
    proxies: TrustedProxies,
    internal_hop: InternalHop,
    traffic: HttpMetrics,
    access_log: AccessLog | None,
) -> EdgeMiddleware:
    """What every answer of this port has in common, around what gives it."""
    cors = Cors(settings.cors_origins) if settings.cors_origins else None
    return EdgeMiddleware(app, any_id, traffic, cors, access_log, https_of(settings, proxies, internal_hop))


def limits_of(settings: EdgeSettings, proxies: TrustedProxies) -> RateLimits:
    """How often one may call at this port. What gateways let through is not counted, nor are they told."""
    return RateLimits(
        proxies,
        per_minute=settings.rate_limit_per_minute,
        callers_max=settings.limit_callers_max,
        shared=False,
    )
