"""What the gateway tells about the API and about itself."""

from collections.abc import Awaitable, Callable
from functools import cached_property

from apps.gateway.documents.pages import ASSETS, explain_error, list_errors, read_assets, read_page
from apps.gateway.documents.static_files import StaticFile
from apps.gateway.routes.route import Page
from shared.contracts.account import Jwks
from shared.contracts.errors import MESH_BUSY, ROUTE_UNKNOWN
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import RequestContext, Response, respond

_JSON, _HTML = ("application/json",), ("text/html",)
_KEYS_CACHE = (b"cache-control", b"public, max-age=300")


class Documents:
    """The documents, made when they are first asked for."""

    def __init__(self, keys: JwksCache, openapi: Callable[[], bytes], asyncapi: Callable[[], bytes]) -> None:
        self._keys = keys
        self._make_openapi = openapi
        self._make_asyncapi = asyncapi

    def pages(self) -> tuple[Page, ...]:
        """Their declarations."""
        return (
            _page("/", "home", "To the documents", _HTML, self.home, {302: "To `/api/docs`."}),
            _page("/api/docs", "docs", "This API, to read and to try out", _HTML, self.docs),
            _page(
                ASSETS + "/{assetPath}",
                "docs.asset",
                "What the pages of the documents load",
                ("*/*",),
                self.asset,
            ),
            _page("/api/openapi.json", "openapi", "This API (OpenAPI 3.1)", _JSON, self.openapi),
            _page(
                "/api/asyncapi", "asyncapi.page", "The messages in Kafka, to read", _HTML, self.asyncapi_page
            ),
            _page(
                "/api/asyncapi.json", "asyncapi", "The messages in Kafka (AsyncAPI 3)", _JSON, self.asyncapi
            ),
            _page("/api/errors", "errors", "All error codes", (*_JSON, *_HTML), list_errors),
            _page(
                "/api/errors/{code}",
                "errors.explain",
                "What an error code means",
                (*_JSON, *_HTML),
                explain_error,
            ),
            Page(
                path="/.well-known/jwks.json",
                name="keys.get",
                summary="Public keys (JWKS)",
                tag="Accounts",
                description="The keys that access tokens are signed with (RFC 7517). A key is published "
                "before it signs.",
                media_types=_JSON,
                outcomes={200: "The keys."},
                schema=Jwks,
                respond=self.keys,
            ),
        )

    async def home(self, exchange: RequestContext) -> Response:
        """There is no site here but the documents."""
        return Response(302, [(b"location", b"/api/docs"), (b"content-length", b"0")])

    async def docs(self, exchange: RequestContext) -> Response:
        """The Swagger UI."""
        return await self._docs.respond(exchange)

    async def asyncapi_page(self, exchange: RequestContext) -> Response:
        """The AsyncAPI page."""
        return await self._asyncapi_page.respond(exchange)

    async def asset(self, exchange: RequestContext) -> Response:
        """A script, style, image or font."""
        found = self._assets.get(exchange.scope["path_params"]["assetPath"].lstrip("/"))
        if found is None:
            return problem_of(ROUTE_UNKNOWN.exception("There is no such asset."), exchange)
        return await found.respond(exchange)

    async def openapi(self, exchange: RequestContext) -> Response:
        """The OpenAPI document."""
        return await self._openapi.respond(exchange)

    async def asyncapi(self, exchange: RequestContext) -> Response:
        """The AsyncAPI document."""
        return await self._asyncapi.respond(exchange)

    async def keys(self, exchange: RequestContext) -> Response:
        """The keys as this gateway knows them."""
        if self._keys.document is None:
            return problem_of(MESH_BUSY.exception("The gateway is starting: it has no keys yet."), exchange)
        return respond(200, "application/json", self._keys.document, _KEYS_CACHE)

    @cached_property
    def _docs(self) -> StaticFile:
        return read_page("docs.html")

    @cached_property
    def _asyncapi_page(self) -> StaticFile:
        return read_page("asyncapi.html")

    @cached_property
    def _assets(self) -> dict[str, StaticFile]:
        return read_assets()

    @cached_property
    def _openapi(self) -> StaticFile:
        return StaticFile(self._make_openapi(), "application/json")

    @cached_property
    def _asyncapi(self) -> StaticFile:
        return StaticFile(self._make_asyncapi(), "application/json")


def _page(
    path: str,
    name: str,
    summary: str,
    media_types: tuple[str, ...],
    respond_to: Callable[[RequestContext], Awaitable[Response]],
    outcomes: dict[int, str] | None = None,
) -> Page:
    return Page(
        path=path,
        name=name,
        summary=summary,
        media_types=media_types,
        outcomes=outcomes or {200: "It."},
        respond=respond_to,
    )
