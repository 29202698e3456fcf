"""The Litestar application: one handler for each route and page, all errors as problems."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import litestar
from litestar import Litestar, Request
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Method

from apps.gateway.forward import ApiState, Forward
from apps.gateway.ports import FileServiceUpstream
from apps.gateway.routes import accounts, files, messages, servers
from apps.gateway.routes.route import Page, Route, litestar_path
from apps.gateway.upload_proxy import UploadProxy
from shared.contracts.errors import (
    INTERNAL_ERROR,
    METHOD_NOT_ALLOWED,
    REQUEST_MALFORMED,
    ROUTE_UNKNOWN,
    ServiceError,
)
from shared.edge.middleware import log_unexpected
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import Response, current_exchange

ROUTES: tuple[Route, ...] = (*accounts.ROUTES, *servers.ROUTES, *messages.ROUTES, *files.ROUTES)

AnyRequest = Request[Any, Any, Any]


def make_app(desk: ApiState, door: FileServiceUpstream, pages: Sequence[Page]) -> Litestar:
    """All routes and pages. What each request would pay for and nobody uses, is off in Litestar."""
    methods: dict[str, set[str]] = {}
    for method, path in (*((r.method, r.path) for r in ROUTES), *(("GET", page.path) for page in pages)):
        methods.setdefault(path, set()).add(method)
    # First, because Litestar else answers OPTIONS by itself, with the methods that it knew at that moment.
    handlers = [_options_handler(path, taken) for path, taken in methods.items()]
    for route in ROUTES:
        way = UploadProxy(route.path, desk, door) if route.operation.form else Forward(route, desk)
        handlers.append(_route_handler(route, way))
    handlers.extend(_page_handler(page) for page in pages)
    return Litestar(
        handlers,
        openapi_config=None,
        logging_config=None,
        exception_handlers={HTTPException: _on_http_exception, Exception: _on_exception},
    )


def _route_handler(route: Route, forward: Forward | UploadProxy) -> HTTPRouteHandler:
    async def handle() -> ASGIApp:
        return await forward(current_exchange.get())

    return _handler(cast(Method, route.method), route.path, route.operation.name, handle)


def _page_handler(page: Page) -> HTTPRouteHandler:
    async def handle() -> ASGIApp:
        return await page.respond(current_exchange.get())

    return _handler("GET", page.path, page.name, handle)


def _options_handler(path: str, methods: set[str]) -> HTTPRouteHandler:
    answer = Response(204, [(b"allow", _allowed(methods).encode("ascii"))])

    async def handle() -> ASGIApp:
        return answer

    return _handler("OPTIONS", path, f"OPTIONS {path}", handle)


def _handler(method: Method, path: str, name: str, handle: Any) -> HTTPRouteHandler:
    return HTTPRouteHandler(litestar_path(path), http_method=method, name=name, status_code=200)(handle)


def _on_http_exception(request: AnyRequest, exception: HTTPException) -> litestar.Response[bytes]:
    """What Litestar refuses before a handler is asked."""
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(exception, NotFoundException):
        error = ROUTE_UNKNOWN.exception("There is nothing at this path.")
    elif isinstance(exception, MethodNotAllowedException):
        allowed = _allowed((exception.headers or {}).get("allow", "").split(", "))
        error = METHOD_NOT_ALLOWED.exception(f"This path takes {allowed}.")
        headers.append((b"allow", allowed.encode("ascii")))
    elif exception.status_code < 500:
        error = REQUEST_MALFORMED.exception(f"{exception.detail}.")
    else:
        return _on_exception(request, exception)
    return _problem(request, error, *headers)


def _on_exception(request: AnyRequest, exception: Exception) -> litestar.Response[bytes]:
    """What nobody expected: logged, and not told."""
    log_unexpected(current_exchange.get())
    return _problem(request, INTERNAL_ERROR.exception(""))


def _problem(
    request: AnyRequest, error: ServiceError, *headers: tuple[bytes, bytes]
) -> litestar.Response[bytes]:
    answer = problem_of(error, current_exchange.get(), *headers)
    named = {name.decode("ascii"): value.decode("latin-1") for name, value in answer.headers}
    return litestar.Response(
        answer.body, status_code=answer.status, media_type=named.pop("content-type"), headers=named
    )


def _allowed(methods: Iterable[str]) -> str:
    """The methods of a path, with HEAD where there is GET."""
    named = {*methods, "OPTIONS"}
    return ", ".join(sorted(named | ({"HEAD"} if "GET" in named else set())))
