"""One operation of the OpenAPI document: its inputs, its responses and all its errors."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec

from apps.gateway.documents.openapi.components import (
    CORRELATION_HEADER,
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


def operation_of(route: Route) -> Json:
    """Return the OpenAPI operation of a route."""
    operation = route.operation
    described: Json = {
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
        described["requestBody"] = {"required": True, "content": {media_type: content}}
    return described


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
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        # An optional parameter is left out, not sent as null.
        rules = next((choice for choice in field.get("anyOf", ()) if choice.get("type") != "null"), field)
        yield {"name": name, "in": "query", "required": name in required, "schema": rules}


def _header_parameters(operation: Operation) -> Iterable[Json]:
    yield CORRELATION_ID
    if operation.idempotent:
        yield IDEMPOTENCY_KEY


def _responses(route: Route) -> Json:
    operation = route.operation
    responses = {str(operation.status): success(operation, operation.result)}
    for status, meaning in operation.also.items():
        responses[str(status)] = success(operation, meaning)
    errors = sorted(errors_of(route), key=lambda error: error.status)
    for status, codes in groupby(errors, lambda error: error.status):
        problems = _problems(tuple(codes), route.path)
        responses[str(status)] = {**problems, "headers": {**problems["headers"], **LIMIT_HEADERS}}
    return responses


def errors_of(route: Route) -> tuple[ErrorCode, ...]:
    """Return every error that a call of this route can meet, besides malformed HTTP and internal errors."""
    operation = route.operation
    errors = [*operation.errors, e.RATE_LIMITED, e.MESH_BUSY, e.MESH_TIMEOUT]
    if route.parameters or operation.query or operation.body or operation.idempotent:
        errors.append(e.VALIDATION_FAILED)
    if operation.body is not None:
        errors.extend((e.BODY_MALFORMED, e.MEDIA_TYPE_UNSUPPORTED))
        if not operation.form:  # of a form only the file has a limit, with its own code
            errors.append(e.BODY_TOO_LARGE)
    if operation.idempotent:
        errors.append(e.IDEMPOTENCY_MISMATCH)
    return tuple({error.name: error for error in errors}.values())


def _problems(errors: tuple[ErrorCode, ...], path: str) -> Json:
    """Return the response of the errors that share one status, with an example of each."""
    headers = dict(CORRELATION_HEADER)
    if any(error.retry_after_s is not None for error in errors):
        headers["Retry-After"] = header("Seconds to wait before the next try.")
    if errors[0].status == 401:
        headers["WWW-Authenticate"] = header("`Bearer`, RFC 6750.")
    examples = {
        error.name: {"summary": error.title, "value": msgspec.to_builtins(_problem(error, path))}
        for error in errors
    }
    return {
        "description": "\n".join(f"* `{error.name}`: {error.title}" for error in errors),
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": ref(Problem), "examples": examples}},
    }


def _problem(error: ErrorCode, path: str) -> Problem:
    field_errors = (e.FieldError("content", "is required"),) if error is e.VALIDATION_FAILED else ()
    return Problem(
        type=PAGES + error.name,
        title=error.title,
        status=error.status,
        detail=error.explanation,
        instance=path.replace("{", "").replace("}", ""),
        code=error.name,
        correlation_id="019a4c5e-7b1a-7c3d-9e2f-1a2b3c4d5e6f",
        errors=field_errors,
    )


def operation_of_page(page: Page) -> Json:
    """Return the OpenAPI operation of a page that the gateway serves itself."""
    responses: Json = {
        str(status): _page_response(page, status, text) for status, text in page.outcomes.items()
    }
    if page.parameters:
        responses["404"] = _problems((e.ROUTE_UNKNOWN,), page.path)
    text = {"type": "string"}
    parameters = [{"name": name, "in": "path", "required": True, "schema": text} for name in page.parameters]
    return {
        "operationId": page.name,
        "summary": page.summary,
        "description": page.description or f"{page.summary}.",
        "tags": [page.tag],
        "security": [],
        "parameters": [*parameters, CORRELATION_ID],
        "responses": responses,
    }


def _page_response(page: Page, status: int, description: str) -> Json:
    if status == 302:
        headers = {**CORRELATION_HEADER, "Location": header("The address of the documents.")}
        return {"description": description, "headers": headers}
    content: Json = {media_type: {} for media_type in page.media_types}
    if page.schema is not None:
        content = {"application/json": {"schema": ref(page.schema)}}
    return {"description": description, "headers": CORRELATION_HEADER, "content": content}
