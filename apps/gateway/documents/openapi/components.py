"""Building blocks of the OpenAPI document: shared parameters, headers and schemas."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from shared.contracts.examples import example_of
from shared.contracts.operation import Operation
from shared.contracts.validation import rule_of

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"

CORRELATION_ID: Json = {
    "name": "X-Correlation-Id",
    "in": "header",
    "required": False,
    "description": "Your own id of this request, 1 to 64 of `A-Z a-z 0-9 . _ -`; the response and every log "
    "line carry it. A missing or unusable id is replaced by a generated one.",
    "schema": {"type": "string"},
    "example": "my-request-1",
}
IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body returns the first response again, for 24 hours. A retry "
    "after a lost response repeats nothing.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}


def header(description: str) -> Json:
    """Return the declaration of a response header."""
    return {"description": description, "schema": {"type": "string"}}


CORRELATION_HEADER: Json = {"X-Correlation-Id": header("The id to find this request in the logs by.")}
LIMIT_HEADERS: Json = {
    "RateLimit-Policy": header(
        'The limit that this request counts for, as `"caller";q=100;w=60`: 100 at once, and 100 more in each '
        "60 seconds (draft-ietf-httpapi-ratelimit-headers). Absent when limits are off."
    ),
    "RateLimit": header(
        'The remaining quota, as `"caller";r=99;t=1`: 99 requests now, more in 1 second. Errors after the '
        "request was counted carry it too."
    ),
}


def ref(struct: type[Struct]) -> Json:
    """Return a reference to the schema of a struct."""
    return {"$ref": _REF.format(name=struct.__name__)}


def schema_and_components(*types: Any) -> tuple[Json, Json]:
    """Return the schema of the first type, and the components that all of the types use."""
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    return schemas[0], components


def with_rules(components: Json, structs: Iterable[type[Struct]]) -> Json:
    """Describe each field by its rule in a sentence, next to its bounds; return the same components."""
    for struct in structs:
        properties = components[struct.__name__]["properties"]
        for field in msgspec.structs.fields(struct):
            rule = rule_of(field.type)
            if rule is not None and "$ref" not in properties[field.encode_name]:
                properties[field.encode_name].setdefault("description", rule[:1].upper() + rule[1:] + ".")
    return components


def success(operation: Operation, description: str) -> Json:
    """Return a successful response: with the operation's answer, a redirect, or without a body."""
    headers = {**CORRELATION_HEADER, **LIMIT_HEADERS}
    if operation.status == 302:
        location = header("The address of the content, valid for a short time.")
        return {"description": description, "headers": {**headers, "Location": location}}
    if operation.answer is None:
        return {"description": description, "headers": headers}
    content = {"schema": ref(operation.answer), "example": example_of(operation.answer)}
    return {"description": description, "headers": headers, "content": {"application/json": content}}
