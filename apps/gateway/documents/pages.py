"""The pages for people: API documents from `web/`, and what each error code means."""

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
"""The version of what others made stands in its path."""
# The Swagger UI sets styles on elements and shows images of its own as data URLs.
_DOCS_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLAIN_CSP = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_HTML = "text/html; charset=utf-8"


def read_page(name: str) -> StaticFile:
    """A page of `web/`: it may load what this gateway serves and nothing from elsewhere."""
    return read_static(WEB / name, "no-cache", ((b"content-security-policy", _DOCS_CSP),))


def read_assets() -> dict[str, StaticFile]:
    """All that the pages load, by its path below `web/assets/`."""
    folder = WEB / "assets"
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found[name] = read_static(path, _VENDOR_CACHE if name.startswith("vendor/") else _ASSET_CACHE)
    return found


class ErrorPage(msgspec.Struct, rename="camel"):
    """What a code means, for programs."""

    code: str
    status: int
    title: str
    explanation: str
    retry_after_s: int | None


async def list_errors(exchange: RequestContext) -> Response:
    """All codes."""
    kinds = sorted(CATALOGUE.values(), key=lambda kind: (kind.status, kind.code))
    if not _wants_html(exchange):
        return respond(
            200,
            "application/json",
            msgspec.json.encode({"items": [_told(kind) for kind in kinds]}),
            _CACHED,
            _VARY,
        )
    rows = "".join(
        f'<tr><td>{kind.status}<td><a href="{PAGES}{kind.code}">{kind.code}</a><td>{escape(kind.title)}'
        for kind in kinds
    )
    return _page("Errors", f"<table><tr><th>Status<th>Code<th>Meaning{rows}</table>")


async def explain_error(exchange: RequestContext) -> Response:
    """What one code means; the `type` of a problem is the address of this."""
    kind = CATALOGUE.get(exchange.scope["path_params"]["code"])
    if kind is None:
        return problem_of(ROUTE_UNKNOWN.exception("There is no such error code; see /api/errors."), exchange)
    if not _wants_html(exchange):
        return respond(200, "application/json", msgspec.json.encode(_told(kind)), _CACHED, _VARY)
    return _page(kind.code, _explanation(kind))


def _told(kind: ErrorCode) -> ErrorPage:
    return ErrorPage(kind.code, kind.status, kind.title, kind.explanation, kind.retry_after_s)


def _explanation(kind: ErrorCode) -> str:
    retry = f"<p>Try again after {kind.retry_after_s} s.</p>" if kind.retry_after_s is not None else ""
    return (
        f"<p><strong>{kind.status}</strong> {escape(kind.title)}</p><p>{escape(kind.explanation)}</p>{retry}"
        f'<p><a href="{PAGES[:-1]}">All errors</a> · <a href="/api/docs">The API</a></p>'
    )


def _page(title: str, content: str) -> Response:
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)} · Concord</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem}"
        "td,th{padding:.2rem .8rem .2rem 0;text-align:left}</style>"
        f"<h1>{escape(title)}</h1>{content}</html>"
    )
    return respond(200, _HTML, html.encode(), _CACHED, _VARY, (b"content-security-policy", _PLAIN_CSP))


def _wants_html(exchange: RequestContext) -> bool:
    return b"text/html" in exchange.headers.get(b"accept", b"")


_CACHED = (b"cache-control", b"public, max-age=300")
_VARY = (b"vary", b"Accept")
