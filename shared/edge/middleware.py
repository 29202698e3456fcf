"""The outermost ASGI layer: everything that all responses of an HTTP port have in common.

Correlation id, security headers, CORS, HTTPS redirect, HEAD, access log and metrics; and the last handler of
unexpected exceptions.
"""

import logging
import sys
from collections.abc import Callable
from time import perf_counter

from shared.contracts.errors import INTERNAL_ERROR
from shared.edge.access_log import AccessLog
from shared.edge.cors import Cors
from shared.edge.http_metrics import HttpMetrics
from shared.edge.https_redirect import HttpsRedirect
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import RequestContext
from shared.kit.clock import now_ms
from shared.kit.http.asgi import Asgi, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_UNMATCHED = "unmatched"
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_CLIENT_CLOSED_REQUEST = 499
"""Only in log and metrics: the request was cancelled before its response started."""


class EdgeMiddleware:
    """Wraps the application of an HTTP port; scopes other than HTTP pass through unchanged."""

    def __init__(
        self,
        app: Asgi,
        new_id: Callable[[], object],
        metrics: HttpMetrics,
        cors: Cors | None,
        access_log: AccessLog | None,
        https: HttpsRedirect | None = None,
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._metrics = metrics
        self._cors = cors
        self._access_log = access_log
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        method = scope["method"]
        # HEAD is routed as GET. The server reads its own scope, so that one stays as it is.
        inner = {**scope, "method": "GET"} if method == "HEAD" else scope
        context = RequestContext(inner, receive, self._new_id, now_ms())
        try:
            await self._respond(inner, receive, self._with_common_headers(context, method, send), context)
        finally:
            route = inner.get("path_template") or _UNMATCHED
            status = context.status or _CLIENT_CLOSED_REQUEST
            seconds = perf_counter() - started
            self._metrics.observe(method, route, status, seconds)
            if self._access_log is not None:
                self._access_log.add(method, route, status, seconds, context.correlation_id)

    async def _respond(self, scope: Scope, receive: Receive, send: Send, context: RequestContext) -> None:
        app: Asgi = self._app
        if self._https is not None and (redirect := self._https.redirect(context)):
            app = redirect
        if self._cors is not None and (preflight := self._cors.preflight(scope["method"], context.headers)):
            app = preflight  # browsers do not follow a redirect of a preflight
        try:
            await app(scope, receive, send)
        except Exception:  # the last handler
            log_unexpected(context)
            if context.status:
                raise  # the response has started: the server closes the connection
            await problem_of(INTERNAL_ERROR.exception(""), context)(scope, receive, send)

    def _with_common_headers(self, context: RequestContext, method: str, send: Send) -> Send:
        """Return a `send` that adds the common headers to the response, and drops the body for HEAD."""
        common = [
            (b"x-correlation-id", context.correlation_id.encode("ascii")),
            *_SECURITY,
        ]
        if self._cors is not None:
            common.extend(self._cors.headers_for(context.headers))
        if self._https is not None:
            common.extend(self._https.headers_for(context))
        is_head = method == "HEAD"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"] = [*message["headers"], *common, *context.limit_headers]
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        return send_with_headers


def log_unexpected(context: RequestContext) -> None:
    """Log the exception being handled; the caller receives only the correlation id."""
    log.error(
        "a request failed unexpectedly",
        exc_info=sys.exc_info(),
        extra={"correlation_id": context.correlation_id},
    )
