"""The OpenAPI 3.1 document of the HTTP API, generated from the routes and the contract."""

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
    "Accounts": "Sign-up, sign-in, tokens, and the caller's profile and sessions",
    "Servers": "Servers and the caller's membership in them",
    "Channels": "The channels of a server",
    "Members": "The members of a server and their roles",
    "Invites": "Codes that let people join a server",
    "Messages": "Messages and the history of channels",
    "Files": "Files of channels; their bytes go directly to and from S3, or through the file service",
    "Health": "For operators",
    "About": "Documents about the API",
}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `accessToken` of a sign-up, sign-in or refresh.",
}
_DESCRIPTION = """\
Chat servers with channels, members, roles, invites and messages.

* JSON in camelCase; ids are UUIDs, times RFC 3339 in UTC. An unknown field is an error that names it.
* Sign up or sign in, then send `Authorization: Bearer <accessToken>`.
* Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems: `code` identifies the error, \
`errors` lists every value that breaks a rule. [All codes](/api/errors). Any call may also return \
`request.malformed` (400) and `headers.too_large` (431).
* Lists are paged: `items`, and `next` to send as `cursor`; `next` is null on the last page.
* Requests per minute are limited: by profile with a token, by network address without one; sign-ins have a \
lower limit. `RateLimit-Policy` and `RateLimit` report the state, `Retry-After` comes with 429. Documents \
and health are not counted.
* Every response has an `X-Correlation-Id`: the caller's own if it is 1 to 64 of `A-Z a-z 0-9 . _ -`. \
`traceparent` (W3C) is passed on.
* A trailing slash in a path is optional. HEAD works where GET does; OPTIONS lists the methods of a path."""


class Addresses(Struct, frozen=True):
    """The public addresses of the gateway and of the file service's own port."""

    gateway: str
    file: str


def openapi_document(
    routes: Sequence[Route], pages: Sequence[Page], addresses: Addresses, version: str
) -> Json:
    """Return the whole document as a JSON object."""
    servers = [
        {"url": "/", "description": "The server of this document"},
        {"url": addresses.gateway, "description": "The public address"},
    ]
    file_port = {"url": addresses.file, "description": "The file service's own port"}
    paths: dict[str, Json] = {}
    for route in routes:
        operation = operation_of(route)
        if route.operation in AT_FILE_PORT:
            operation["servers"] = [*servers, file_port]
        paths.setdefault(route.path, {})[route.method.lower()] = operation
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
    """Return every struct that the document refers to, each once."""
    structs: list[type[Struct]] = [Problem]
    for route in routes:
        structs.extend(
            struct for struct in (route.operation.body, route.operation.answer) if struct is not None
        )
    structs.extend(page.schema for page in pages if page.schema is not None)
    return tuple(dict.fromkeys(structs))


def _components(routes: Sequence[Route], pages: Sequence[Page]) -> Json:
    return schema_and_components(*_structs(routes, pages))[1]
