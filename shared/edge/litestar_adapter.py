"""The way between Litestar, used as a router only, and handlers that map a context to a response."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import litestar
from litestar import Request
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import ASGIApp, ExceptionHandlersMap

from shared.contracts.errors import (
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    REQUEST_MALFORMED,
    ROUTE_UNKNOWN,
    ServiceError,
)
from shared.edge.middleware import log_unexpected
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import RequestContext, Response, context_of
from shared.kit.http.asgi import Receive, Scope, Send

AnyRequest = Request[Any, Any, Any]
Respond = Callable[[RequestContext], Awaitable[Response]]


def litestar_handler(respond: Respond) -> Callable[[], Awaitable[ASGIApp]]:
    """Return a function that a Litestar route handler can wrap.

    It takes no arguments, because Litestar would parse them for each request: it returns an ASGI application,
    which Litestar calls with the scope.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await respond(context_of(scope))
        await response(scope, receive, send)

    async def handle() -> ASGIApp:
        return app

    return handle


def exception_handlers(unknown_path: str) -> ExceptionHandlersMap:
    """Return handlers that turn all exceptions into problems; `unknown_path` is the detail of a 404."""

    def on_http_exception(request: AnyRequest, exception: HTTPException) -> litestar.Response[bytes]:
        """Handle the errors that Litestar raises before it calls a handler."""
        if isinstance(exception, NotFoundException):
            return _problem(request, ROUTE_UNKNOWN.exception(unknown_path))
        if isinstance(exception, MethodNotAllowedException):
            allowed = allow_header((exception.headers or {}).get("allow", "").split(", "))
            error = METHOD_NOT_ALLOWED.exception(f"This path allows {allowed}.")
            return _problem(request, error, (b"allow", allowed.encode("ascii")))
        if exception.status_code < 500:
            return _problem(request, REQUEST_MALFORMED.exception(f"{exception.detail}."))
        return _on_unexpected(request, exception)

    return {HTTPException: on_http_exception, Exception: _on_unexpected}


def allow_header(methods: Iterable[str]) -> str:
    """Return the value of `Allow` for a path: its methods and OPTIONS, and HEAD if GET is one of them."""
    allowed = {*methods, "OPTIONS"}
    return ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))


def _on_unexpected(request: AnyRequest, exception: Exception) -> litestar.Response[bytes]:
    """Log the exception; the response does not reveal it."""
    log_unexpected(context_of(request.scope))
    return _problem(request, INTERNAL_ERROR.exception(""))


def _problem(
    request: AnyRequest, error: ServiceError, *headers: tuple[bytes, bytes]
) -> litestar.Response[bytes]:
    problem = problem_of(error, context_of(request.scope), *headers)
    decoded = {name.decode("ascii"): value.decode("latin-1") for name, value in problem.headers}
    return litestar.Response(
        problem.body, status_code=problem.status, media_type=decoded.pop("content-type"), headers=decoded
    )
