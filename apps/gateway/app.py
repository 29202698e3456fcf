"""The Litestar application: one handler for each route and page; all errors are problems."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Method

from apps.gateway.routes import accounts, files, messages, servers
from apps.gateway.routes.route import Page, Route, litestar_path
from shared.edge.litestar_adapter import Respond, allow_header, exception_handlers, litestar_handler
from shared.edge.request_context import Response

ROUTES: tuple[Route, ...] = (*accounts.ROUTES, *servers.ROUTES, *messages.ROUTES, *files.ROUTES)


def make_app(respond_to: Callable[[Route], Respond], pages: Sequence[Page]) -> Litestar:
    """Return the application of all routes and pages, without the features of Litestar that are not used.

    `respond_to` makes the handler of a route.
    """
    methods: dict[str, set[str]] = {}
    for method, path in (*((r.method, r.path) for r in ROUTES), *(("GET", page.path) for page in pages)):
        methods.setdefault(path, set()).add(method)
    # OPTIONS first: otherwise Litestar adds its own handler, with the methods registered at that moment.
    handlers = [_options_handler(path, allowed) for path, allowed in methods.items()]
    handlers += [
        _handler(cast(Method, route.method), route.path, route.operation.name, respond_to(route))
        for route in ROUTES
    ]
    handlers += [_handler("GET", page.path, page.name, page.respond) for page in pages]
    return Litestar(
        handlers,
        openapi_config=None,
        logging_config=None,
        exception_handlers=exception_handlers("No resource has this path."),
    )


def _handler(method: Method, path: str, name: str, respond: Respond) -> HTTPRouteHandler:
    return _route_handler(method, path, name, litestar_handler(respond))


def _options_handler(path: str, methods: set[str]) -> HTTPRouteHandler:
    response = Response(204, [(b"allow", allow_header(methods).encode("ascii"))])

    async def handle() -> ASGIApp:
        return response

    return _route_handler("OPTIONS", path, f"OPTIONS {path}", handle)


def _route_handler(method: Method, path: str, name: str, handle: Any) -> HTTPRouteHandler:
    return HTTPRouteHandler(litestar_path(path), http_method=method, name=name, status_code=200)(handle)
