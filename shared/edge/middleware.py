"""The outermost layer: what every answer has in common, whoever gives it.

Correlation id, CORS, HEAD, the log line and the figures; and a last net under all exceptions.
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
from shared.edge.request_context import RequestContext, current_exchange
from shared.kit.http.asgi import Asgi, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_UNMATCHED = "unmatched"
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_CLIENT_GONE = 499
"""In the figures only: the request was given up before it had an answer."""


class EdgeMiddleware:
    """Wraps the application; other scopes than HTTP pass through untouched."""

    def __init__(
        self,
        app: Asgi,
        new_id: Callable[[], object],
        traffic: HttpMetrics,
        cors: Cors | None,
        access_log: AccessLog | None,
        https: HttpsRedirect | None = None,
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._traffic = traffic
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
        # A HEAD is routed as a GET. The server looks at its own scope, so that stays as it is.
        inner = {**scope, "method": "GET"} if method == "HEAD" else scope
        context = RequestContext(inner, receive, self._new_id)
        current_exchange.set(context)
        answer = self._answering(context, method, send)
        try:
            await self._answer(inner, receive, answer, context)
        finally:
            route = inner.get("path_template") or _UNMATCHED
            status = context.status or _CLIENT_GONE
            seconds = perf_counter() - started
            self._traffic.observe(method, route, status, seconds)
            if self._access_log is not None:
                self._access_log.add(method, route, status, seconds, context.correlation_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, context: RequestContext) -> None:
        app: Asgi = self._app
        if self._https is not None and (reply := self._https.redirect(context)):
            app = reply
        if self._cors is not None and (reply := self._cors.preflight(scope["method"], context.headers)):
            app = reply  # a browser follows no redirect of a preflight
        try:
            await app(scope, receive, send)
        except Exception:  # the last net
            log_unexpected(context)
            if context.status:
                raise  # the answer has begun: the server cuts the connection
            await problem_of(INTERNAL_ERROR.exception(""), context)(scope, receive, send)

    def _answering(self, context: RequestContext, method: str, send: Send) -> Send:
        """What adds the common headers to the answer, and drops the body of a HEAD's."""
        common = [
            (b"x-correlation-id", context.correlation_id.encode("ascii")),
            *_SECURITY,
        ]
        if self._cors is not None:
            common.extend(self._cors.headers_for(context.headers))
        if self._https is not None:
            common.extend(self._https.headers_for(context))
        bare = method == "HEAD"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                message["headers"] = [*message["headers"], *common, *context.limit_headers]
            elif bare and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        return answer


def log_unexpected(context: RequestContext) -> None:
    """Log the exception in hand; the caller learns no more than its correlation id."""
    log.error(
        "a request failed in a way that nobody expected",
        exc_info=sys.exc_info(),
        extra={"correlation_id": context.correlation_id},
    )
