"""The pages about the API and the gateway itself: documents, error codes and public keys."""

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
    """The documents, each generated at its first request."""

    def __init__(self, keys: JwksCache, openapi: Callable[[], bytes], asyncapi: Callable[[], bytes]) -> None:
        self._keys = keys
        self._make_openapi = openapi
        self._make_asyncapi = asyncapi

    def pages(self) -> tuple[Page, ...]:
        """Return the declarations of the pages."""
        return (
            _page("/", "home", "Redirect to the documents", _HTML, self.home, "To `/api/docs`.", status=302),
            _page("/api/docs", "docs", "Interactive API documentation", _HTML, self.docs, "The page."),
            _page(
                ASSETS + "/{assetPath}",
                "docs.asset",
                "Assets of the documentation pages",
                ("*/*",),
                self.asset,
                "The asset.",
            ),
            _page(
                "/api/openapi.json",
                "openapi",
                "This API as an OpenAPI 3.1 document",
                _JSON,
                self.openapi,
                "The document.",
            ),
            _page(
                "/api/asyncapi",
                "asyncapi.page",
                "Documentation of the messages in Kafka",
                _HTML,
                self.asyncapi_page,
                "The page.",
            ),
            _page(
                "/api/asyncapi.json",
                "asyncapi",
                "The messages in Kafka as an AsyncAPI 3.0 document",
                _JSON,
                self.asyncapi,
                "The document.",
            ),
            _page(
                "/api/errors", "errors", "All error codes", (*_JSON, *_HTML), list_errors, "The error codes."
            ),
            _page(
                "/api/errors/{code}",
                "errors.explain",
                "Explanation of an error code",
                (*_JSON, *_HTML),
                explain_error,
                "The explanation.",
            ),
            Page(
                path="/.well-known/jwks.json",
                name="keys.get",
                summary="Public keys (JWKS)",
                tag="Accounts",
                description="The keys that verify access tokens (RFC 7517). A key is published before it "
                "signs its first token.",
                media_types=_JSON,
                outcomes={200: "The public keys."},
                schema=Jwks,
                respond=self.keys,
            ),
        )

    async def home(self, context: RequestContext) -> Response:
        """Redirect to the documents."""
        return Response(302, [(b"location", b"/api/docs"), (b"content-length", b"0")])

    async def docs(self, context: RequestContext) -> Response:
        """Return the Swagger UI."""
        return await self._docs.respond(context)

    async def asyncapi_page(self, context: RequestContext) -> Response:
        """Return the AsyncAPI page."""
        return await self._asyncapi_page.respond(context)

    async def asset(self, context: RequestContext) -> Response:
        """Return a script, style, image or font."""
        asset = self._assets.get(context.scope["path_params"]["assetPath"].lstrip("/"))
        if asset is None:
            return problem_of(ROUTE_UNKNOWN.exception("No asset has this path."), context)
        return await asset.respond(context)

    async def openapi(self, context: RequestContext) -> Response:
        """Return the OpenAPI document."""
        return await self._openapi.respond(context)

    async def asyncapi(self, context: RequestContext) -> Response:
        """Return the AsyncAPI document."""
        return await self._asyncapi.respond(context)

    async def keys(self, context: RequestContext) -> Response:
        """Return the public keys that this gateway has."""
        if self._keys.document is None:
            error = MESH_BUSY.exception("The gateway is starting and has no keys yet.")
            return problem_of(error, context)
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
    result: str,
    *,
    status: int = 200,
) -> Page:
    return Page(
        path=path,
        name=name,
        summary=summary,
        media_types=media_types,
        outcomes={status: result},
        respond=respond_to,
    )
