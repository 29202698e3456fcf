"""The OpenAPI 3.1 document, made from the routes and the contract, so that it says what they do."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct

from apps.gateway.openapi_parts import (
    CORRELATION_ID,
    IDEMPOTENCY_KEY,
    ref,
    schema_and_components,
    success,
    with_rules,
)
from apps.gateway.problems import MEDIA_TYPE, PAGES, Problem
from apps.gateway.routes.route import Page, Route
from shared.contracts import errors as e
from shared.contracts.errors import ErrorKind
from shared.contracts.examples import example_of
from shared.contracts.operation import Operation

Json = dict[str, Any]

_TAGS = {
    "Accounts": "Signing up and in, tokens, the profile and the sessions of the caller",
    "Servers": "Servers and being in them",
    "Channels": "The channels of a server",
    "Members": "The people in a server and their roles",
    "Invites": "Codes that let people in",
    "Messages": "Messages and the history of channels",
    "Health": "For those who run Concord",
    "About": "Documents",
}
_DESCRIPTION = """\
Chat servers with channels, members, roles, invites and messages.

* JSON in camelCase; ids are UUIDs, times RFC 3339 in UTC. A field that is not known is refused and named.
* Sign up or sign in, then send `Authorization: Bearer <accessToken>`.
* Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems; `code` says which, `errors` lists \
every value that breaks a rule. [All codes](/api/errors). Any call may also meet `request.malformed` (400) \
and `headers.too_large` (431).
* Lists are pages: `items`, and `next` to give as `cursor`, null on the last page.
* `X-Correlation-Id` comes back on every answer, the caller's own when it is 1 to 64 of `A-Z a-z 0-9 . _ -`; \
`traceparent` (W3C) is passed on.
* A path may end with a slash or not. HEAD works where GET does, OPTIONS tells the methods of a path."""


def openapi_document(routes: Sequence[Route], pages: Sequence[Page], address: str, version: str) -> Json:
    """The whole document. `address` is where the API is, as callers see it."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    for page in pages:
        paths.setdefault(page.path, {})["get"] = _page(page)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Concord",
            "summary": "A self-hosted chat backend",
            "description": _DESCRIPTION,
            "version": version,
        },
        "servers": [
            {"url": "/", "description": "Where this document was read"},
            {"url": address, "description": "The public address"},
        ],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": with_rules(_components(routes, pages), _structs(routes, pages)),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `accessToken` of a sign-up, sign-in or refresh.",
                }
            },
        },
    }


def _operation(route: Route) -> Json:
    operation = route.operation
    shown: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description or f"{operation.summary}.",
        "tags": [route.tag],
        "security": [] if operation.public else [{"bearer": []}],
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(operation),
            *_header_parameters(operation),
        ],
        "responses": _responses(route),
    }
    if operation.body is not None:
        content = {"schema": ref(operation.body), "example": example_of(operation.body)}
        shown["requestBody"] = {"required": True, "content": {"application/json": content}}
    return shown


def _path_parameters(route: Route) -> Iterable[Json]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(route.operation.request)}
    examples = example_of(route.operation.request)
    for name in route.parameters:
        schema, _ = schema_and_components(fields[name].type)
        yield {"name": name, "in": "path", "required": True, "schema": schema, "example": examples[name]}


def _query_parameters(operation: Operation) -> Iterable[Json]:
    if operation.query is None:
        return
    schema = msgspec.json.schema(operation.query)["$defs"][operation.query.__name__]
    for name, field in schema["properties"].items():
        shown = next((part for part in field.get("anyOf", ()) if part.get("type") != "null"), field)
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": shown}


def _header_parameters(operation: Operation) -> Iterable[Json]:
    yield CORRELATION_ID
    if operation.idempotent:
        yield IDEMPOTENCY_KEY


def _responses(route: Route) -> Json:
    operation = route.operation
    responses = {str(operation.status): success(operation, "Done." if operation.status == 204 else "Done:")}
    for status, meaning in operation.also.items():
        responses[str(status)] = success(operation, meaning)
    for status, kinds in groupby(
        sorted(errors_of(route), key=lambda kind: kind.status), lambda kind: kind.status
    ):
        responses[str(status)] = _problems(tuple(kinds), route.path)
    return responses


def errors_of(route: Route) -> tuple[ErrorKind, ...]:
    """Every error that a call of this route can meet, beside those of HTTP itself and of our own faults."""
    operation = route.operation
    found = [*operation.errors, e.MESH_BUSY, e.MESH_TIMEOUT]
    if route.parameters or operation.query or operation.body or operation.idempotent:
        found.append(e.VALIDATION_FAILED)
    if operation.body is not None:
        found.extend((e.BODY_MALFORMED, e.BODY_TOO_LARGE, e.MEDIA_TYPE_UNSUPPORTED))
    if operation.idempotent:
        found.append(e.IDEMPOTENCY_MISMATCH)
    return tuple({kind.code: kind for kind in found}.values())


def _problems(kinds: tuple[ErrorKind, ...], path: str) -> Json:
    headers: Json = {"X-Correlation-Id": _header("The id that finds this in the logs.")}
    if any(kind.retry_after_s is not None for kind in kinds):
        headers["Retry-After"] = _header("Seconds to wait before the next try.")
    if kinds[0].status == 401:
        headers["WWW-Authenticate"] = _header("`Bearer`, RFC 6750.")
    examples = {
        kind.code: {"summary": kind.title, "value": msgspec.to_builtins(_problem(kind, path))}
        for kind in kinds
    }
    return {
        "description": "\n".join(f"* `{kind.code}`: {kind.title}" for kind in kinds),
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": ref(Problem), "examples": examples}},
    }


def _problem(kind: ErrorKind, path: str) -> Problem:
    faults = (e.FieldError("content", "is required"),) if kind is e.VALIDATION_FAILED else ()
    return Problem(
        type=PAGES + kind.code,
        title=kind.title,
        status=kind.status,
        detail=kind.explanation,
        instance=path.replace("{", "").replace("}", ""),
        code=kind.code,
        correlation_id="019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f",
        errors=faults,
    )


def _page(page: Page) -> Json:
    content: Json = {media_type: {} for media_type in page.media_types}
    if page.schema is not None:
        content = {"application/json": {"schema": ref(page.schema)}}
    headers = {"X-Correlation-Id": _header("The id that finds this in the logs.")}
    location = {"Location": _header("Where it is.")}
    responses: Json = {
        str(status): {
            "description": text,
            "headers": {**headers, **(location if status == 302 else {})},
            **({} if status == 302 else {"content": content}),
        }
        for status, text in page.outcomes.items()
    }
    if page.parameters:
        responses["404"] = _problems((e.ROUTE_UNKNOWN,), page.path)
    return {
        "operationId": page.name,
        "summary": page.summary,
        "description": page.description or f"{page.summary}.",
        "tags": [page.tag],
        "security": [],
        "parameters": [
            *(
                {"name": n, "in": "path", "required": True, "schema": {"type": "string"}}
                for n in page.parameters
            ),
            CORRELATION_ID,
        ],
        "responses": responses,
    }


def _header(text: str) -> Json:
    return {"description": text, "schema": {"type": "string"}}


def _structs(routes: Sequence[Route], pages: Sequence[Page]) -> tuple[type[Struct], ...]:
    used: list[type[Struct]] = [Problem]
    for route in routes:
        used.extend(kind for kind in (route.operation.body, route.operation.answer) if kind is not None)
    used.extend(page.schema for page in pages if page.schema is not None)
    return tuple(dict.fromkeys(used))


def _components(routes: Sequence[Route], pages: Sequence[Page]) -> Json:
    return schema_and_components(*_structs(routes, pages))[1]
