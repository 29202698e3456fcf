"""The HTML pages: the API documents from `web/`, and an explanation of each error code."""

from html import escape
from pathlib import Path

import msgspec

from apps.gateway.documents.static_files import StaticFile, read_static
from shared.contracts.errors import CATALOGUE, ROUTE_UNKNOWN, ErrorCode
from shared.edge.problem_responses import problem_of
from shared.edge.request_context import RequestContext, Response, respond
from shared.kit.http.problem_details import PAGES

WEB = Path(__file__).resolve().parents[3] / "web"
ASSETS = "/api/docs/assets"

_ASSET_CACHE = "public, max-age=3600"
_VENDOR_CACHE = "public, max-age=31536000, immutable"
"""The path of a vendored file contains its version."""
# The Swagger UI sets styles on elements and embeds its images as data URLs.
_DOCS_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLAIN_CSP = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_HTML = "text/html; charset=utf-8"


def read_page(name: str) -> StaticFile:
    """Read a page of `web/`. It may load only files that this gateway serves."""
    return read_static(WEB / name, "no-cache", ((b"content-security-policy", _DOCS_CSP),))


def read_assets() -> dict[str, StaticFile]:
    """Read all files that the pages load, by their paths below `web/assets/`."""
    folder = WEB / "assets"
    assets = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            assets[name] = read_static(path, _VENDOR_CACHE if name.startswith("vendor/") else _ASSET_CACHE)
    return assets


class ErrorPage(msgspec.Struct, rename="camel"):
    """The explanation of an error code as JSON."""

    code: str
    status: int
    title: str
    explanation: str
    retry_after_s: int | None


async def list_errors(context: RequestContext) -> Response:
    """Return all error codes, as HTML or JSON."""
    errors = sorted(CATALOGUE.values(), key=lambda error: (error.status, error.name))
    if not _wants_html(context):
        items = [_page_of(error) for error in errors]
        return _json(msgspec.json.encode({"items": items}))
    rows = "".join(
        f'<tr><td>{error.status}<td><a href="{PAGES}{error.name}">{error.name}</a><td>{escape(error.title)}'
        for error in errors
    )
    return _html("Errors", f"<table><tr><th>Status<th>Code<th>Meaning{rows}</table>")


async def explain_error(context: RequestContext) -> Response:
    """Return the explanation of one code. Its address is the `type` of a problem with that code."""
    error = CATALOGUE.get(context.scope["path_params"]["code"])
    if error is None:
        unknown = ROUTE_UNKNOWN.exception("No error has this code; /api/errors lists all codes.")
        return problem_of(unknown, context)
    if not _wants_html(context):
        return _json(msgspec.json.encode(_page_of(error)))
    return _html(error.name, _explanation(error))


def _page_of(error: ErrorCode) -> ErrorPage:
    return ErrorPage(error.name, error.status, error.title, error.explanation, error.retry_after_s)


def _explanation(error: ErrorCode) -> str:
    retry = f"<p>Try again after {error.retry_after_s} s.</p>" if error.retry_after_s is not None else ""
    return (
        f"<p><strong>{error.status}</strong> {escape(error.title)}</p>"
        f"<p>{escape(error.explanation)}</p>{retry}"
        f'<p><a href="{PAGES[:-1]}">All errors</a> · <a href="/api/docs">API documentation</a></p>'
    )


def _json(body: bytes) -> Response:
    return respond(200, "application/json", body, _CACHED, _VARY)


def _html(title: str, content: str) -> Response:
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)} · Concord</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem}"
        "td,th{padding:.2rem .8rem .2rem 0;text-align:left}</style>"
        f"<h1>{escape(title)}</h1>{content}</html>"
    )
    return respond(200, _HTML, page.encode(), _CACHED, _VARY, (b"content-security-policy", _PLAIN_CSP))


def _wants_html(context: RequestContext) -> bool:
    return b"text/html" in context.headers.get(b"accept", b"")


_CACHED = (b"cache-control", b"public, max-age=300")
_VARY = (b"vary", b"Accept")
