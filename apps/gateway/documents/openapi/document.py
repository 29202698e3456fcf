"""The OpenAPI 3.1 document, made from the routes and the contract, so that it says what they do."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from apps.gateway.documents.openapi.components import schema_and_components, with_rules
from apps.gateway.documents.openapi.operation import operation_of, operation_of_page
from apps.gateway.routes.route import Page, Route
from shared.contracts.file import AT_FILE_PORT
from shared.kit.http.problem_details import Problem

Json = dict[str, Any]

_TAGS = {
    "Accounts": "Signing up and in, tokens, the profile and the sessions of the caller",
    "Servers": "Servers and being in them",
    "Channels": "The channels of a server",
    "Members": "The people in a server and their roles",
    "Invites": "Codes that let people in",
    "Messages": "Messages and the history of channels",
    "Files": "Files of channels; their bytes travel straight to and from S3, or through here",
    "Health": "For those who run Concord",
    "About": "Documents",
}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `accessToken` of a sign-up, sign-in or refresh.",
}
_DESCRIPTION = """\
Chat servers with channels, members, roles, invites and messages.

* JSON in camelCase; ids are UUIDs, times RFC 3339 in UTC. A field that is not known is refused and named.
* Sign up or sign in, then send `Authorization: Bearer <accessToken>`.
* Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems; `code` says which, `errors` lists \
every value that breaks a rule. [All codes](/api/errors). Any call may also meet `request.malformed` (400) \
and `headers.too_large` (431).
* Lists are pages: `items`, and `next` to give as `cursor`, null on the last page.
* Limits: so many requests a minute with a token, for its profile, and without one, for the address; fewer \
sign-ins. `RateLimit-Policy` and `RateLimit` tell, `Retry-After` on 429. Documents and health are not counted.
* `X-Correlation-Id` comes back on every answer, the caller's own when it is 1 to 64 of `A-Z a-z 0-9 . _ -`; \
`traceparent` (W3C) is passed on.
* A path may end with a slash or not. HEAD works where GET does, OPTIONS tells the methods of a path."""


class Addresses(Struct, frozen=True):
    """Where callers find the API, and the file service's own port."""

    gateway: str
    file: str


def openapi_document(
    routes: Sequence[Route], pages: Sequence[Page], addresses: Addresses, version: str
) -> Json:
    """The whole document."""
    servers = [
        {"url": "/", "description": "Where this document was read"},
        {"url": addresses.gateway, "description": "The public address"},
    ]
    at_port = {"url": addresses.file, "description": "The file service's own port"}
    paths: dict[str, Json] = {}
    for route in routes:
        shown = operation_of(route)
        if route.operation in AT_FILE_PORT:
            shown["servers"] = [*servers, at_port]
        paths.setdefault(route.path, {})[route.method.lower()] = shown
    for page in pages:
        paths.setdefault(page.path, {})["get"] = operation_of_page(page)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Concord",
            "summary": "A self-hosted chat backend",
            "description": _DESCRIPTION,
            "version": version,
        },
        "servers": servers,
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": with_rules(_components(routes, pages), _structs(routes, pages)),
            "securitySchemes": {"bearer": _BEARER},
        },
    }


def _structs(routes: Sequence[Route], pages: Sequence[Page]) -> tuple[type[Struct], ...]:
    used: list[type[Struct]] = [Problem]
    for route in routes:
        used.extend(kind for kind in (route.operation.body, route.operation.answer) if kind is not None)
    used.extend(page.schema for page in pages if page.schema is not None)
    return tuple(dict.fromkeys(used))


def _components(routes: Sequence[Route], pages: Sequence[Page]) -> Json:
    return schema_and_components(*_structs(routes, pages))[1]
