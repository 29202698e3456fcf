"""HTTP server of the file service's own port, with the edge around its application."""

import asyncio
import logging
from typing import TypeVar

from prometheus_client import REGISTRY

from apps.file.inbound.http import Download, FileApp, UploadAuth, UploadBounds
from apps.file.usecases.receive_upload import ReceiveUpload
from shared.contracts.file import UPLOAD_PATH
from shared.edge.access_log import AccessLog, write_out
from shared.edge.auth.token_verification import TokenVerification
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
from shared.kit.http.connection_limits import HttpBounds
from shared.kit.http.server import make_server
from shared.kit.http.sockets import listen
from shared.kit.kafka.options import kafka_options
from shared.kit.rpc.client import RpcClient
from shared.kit.runtime.service_context import ServiceContext
from shared.kit.security.record_signatures import signatures_of

S = TypeVar("S", bound=EdgeSettings)

log = logging.getLogger(__name__)

_KEEP_ALIVE_MS = 30_000
_CONNECTIONS_MAX = 1_000


class HttpListener:
    """Serves HTTP from `open` to `close`."""

    def __init__(
        self,
        app: Asgi,
        access_log: AccessLog | None,
        component: Component,
        address: tuple[str, int],
        *,
        upload_timeout_ms: int,
        drain_timeout_ms: int,
    ) -> None:
        self._host, self._port = address
        self._access_log = access_log
        self._component = component
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
        self._serving.add_done_callback(lambda _: self._component.down("stopped"))
        self._component.ready()
        log.info("listening on %s port %d", self._host, sock.getsockname()[1])

    async def close(self) -> None:
        """Accept no more requests; running ones get the drain time."""
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._access_log is not None:
            self._access_log.flush()


def open_listener(
    context: ServiceContext[S],
    address: tuple[str, int],
    client: RpcClient,
    receive: ReceiveUpload,
    download: Download,
    bounds: UploadBounds,
) -> None:
    """Serve uploads and downloads at this host and port until the process stops."""
    settings, signatures = context.settings, signatures_of(context.settings)
    tokens = TokenVerification(
        settings, client, context.health, kafka_options(settings), signatures, context.clock
    )
    context.run_forever(tokens.follow)
    proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
    internal_hop = InternalHop(signatures)
    auth = UploadAuth(tokens.authenticator, rate_limits(settings, proxies), internal_hop)
    metrics = HttpMetrics()
    REGISTRY.register(metrics)
    access_log = AccessLog(write_out, "file", context.instance) if settings.access_log else None
    app = FileApp(auth, receive, download, bounds).app()
    listener = HttpListener(
        with_edge(app, settings, proxies, internal_hop, metrics, access_log),
        access_log,
        context.health.component("http"),
        address,
        upload_timeout_ms=int(bounds.upload_timeout_s * 1000),
        drain_timeout_ms=settings.drain_timeout_ms,
    )
    context.on_stop(listener.close)
    listener.open()


def with_edge(
    app: Asgi,
    settings: EdgeSettings,
    proxies: TrustedProxies,
    internal_hop: InternalHop,
    metrics: HttpMetrics,
    access_log: AccessLog | None,
) -> EdgeMiddleware:
    """Return the application within the edge, which adds everything common to its responses."""
    cors = Cors(settings.cors_origins) if settings.cors_origins else None
    return EdgeMiddleware(app, any_id, metrics, cors, access_log, https_of(settings, proxies, internal_hop))


def rate_limits(settings: EdgeSettings, proxies: TrustedProxies) -> RateLimits:
    """Return the rate limits of this port. They neither count forwarded requests nor share their counts."""
    return RateLimits(
        proxies,
        per_minute=settings.rate_limit_per_minute,
        callers_max=settings.limit_callers_max,
        shared=False,
    )
