"""One operation of the OpenAPI document: its inputs, its answers and all its errors."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec

from apps.gateway.documents.openapi.components import (
    CORRELATION_ID,
    IDEMPOTENCY_KEY,
    LIMIT_HEADERS,
    header,
    ref,
    schema_and_components,
    success,
)
from apps.gateway.routes.route import Page, Route
from shared.contracts import errors as e
from shared.contracts.errors import ErrorCode
from shared.contracts.examples import example_of
from shared.contracts.operation import Operation
from shared.kit.http.problem_details import MEDIA_TYPE, PAGES, Problem

Json = dict[str, Any]

_DONE = {204: "Done.", 302: "It is there:"}


def operation_of(route: Route) -> Json:
    """What a route does."""
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
        media_type = "multipart/form-data" if operation.form else "application/json"
        shown["requestBody"] = {"required": True, "content": {media_type: content}}
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
    responses = {str(operation.status): success(operation, _DONE.get(operation.status, "Done:"))}
    for status, meaning in operation.also.items():
        responses[str(status)] = success(operation, meaning)
    for status, kinds in groupby(
        sorted(errors_of(route), key=lambda kind: kind.status), lambda kind: kind.status
    ):
        problems = _problems(tuple(kinds), route.path)
        responses[str(status)] = {**problems, "headers": {**problems["headers"], **LIMIT_HEADERS}}
    return responses


def errors_of(route: Route) -> tuple[ErrorCode, ...]:
    """Every error that a call of this route can meet, beside those of HTTP itself and of our own faults."""
    operation = route.operation
    found = [*operation.errors, e.RATE_LIMITED, e.MESH_BUSY, e.MESH_TIMEOUT]
    if route.parameters or operation.query or operation.body or operation.idempotent:
        found.append(e.VALIDATION_FAILED)
    if operation.body is not None:
        found.extend((e.BODY_MALFORMED, e.MEDIA_TYPE_UNSUPPORTED))
        if not operation.form:  # of a form the file alone has a limit, and a code of its own
            found.append(e.BODY_TOO_LARGE)
    if operation.idempotent:
        found.append(e.IDEMPOTENCY_MISMATCH)
    return tuple({kind.code: kind for kind in found}.values())


def _problems(kinds: tuple[ErrorCode, ...], path: str) -> Json:
    headers: Json = {"X-Correlation-Id": header("The id that finds this in the logs.")}
    if any(kind.retry_after_s is not None for kind in kinds):
        headers["Retry-After"] = header("Seconds to wait before the next try.")
    if kinds[0].status == 401:
        headers["WWW-Authenticate"] = header("`Bearer`, RFC 6750.")
    examples = {
        kind.code: {"summary": kind.title, "value": msgspec.to_builtins(_problem(kind, path))}
        for kind in kinds
    }
    return {
        "description": "\n".join(f"* `{kind.code}`: {kind.title}" for kind in kinds),
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": ref(Problem), "examples": examples}},
    }


def _problem(kind: ErrorCode, path: str) -> Problem:
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


def operation_of_page(page: Page) -> Json:
    """What the gateway answers by itself."""
    content: Json = {media_type: {} for media_type in page.media_types}
    if page.schema is not None:
        content = {"application/json": {"schema": ref(page.schema)}}
    headers = {"X-Correlation-Id": header("The id that finds this in the logs.")}
    location = {"Location": header("Where it is.")}
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
