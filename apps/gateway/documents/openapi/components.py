"""The pieces that the OpenAPI document is put together from."""

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
    "description": "Your own id of this request, 1 to 64 of `A-Z a-z 0-9 . _ -`: it comes back and stands in "
    "every log. A request without one, or with another text, is given one and not refused.",
    "schema": {"type": "string"},
    "example": "my-request-1",
}
IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body gives the first answer again, for 24 hours: nothing is "
    "done twice when an answer is lost.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
}


def header(text: str) -> Json:
    """A header of an answer."""
    return {"description": text, "schema": {"type": "string"}}


LIMIT_HEADERS: Json = {
    "RateLimit-Policy": header(
        'The limit that this counts for, as `"caller";q=100;w=60`: 100 at once, and as many again in each '
        "60 seconds (draft-ietf-httpapi-ratelimit-headers). Not there when limits are off."
    ),
    "RateLimit": header(
        'What is left of it, as `"caller";r=99;t=1`: 99 now, more in 1 second. Also on errors that come '
        "after it was counted."
    ),
}


def ref(kind: type[Struct]) -> Json:
    """Points to the schema of a struct."""
    return {"$ref": _REF.format(name=kind.__name__)}


def schema_and_components(*kinds: Any) -> tuple[Json, Json]:
    """The schema of the first type, and the components that all of them use."""
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    return schemas[0], components


def with_rules(components: Json, kinds: Iterable[type[Struct]]) -> Json:
    """The components with the sentence of each field's rule beside its bounds."""
    for kind in kinds:
        properties = components[kind.__name__]["properties"]
        for field in msgspec.structs.fields(kind):
            rule = rule_of(field.type)
            if rule is not None and "$ref" not in properties[field.encode_name]:
                properties[field.encode_name].setdefault("description", rule[:1].upper() + rule[1:] + ".")
    return components


def success(operation: Operation, description: str) -> Json:
    """A response that carries the operation's answer, or nothing."""
    headers = {"X-Correlation-Id": header("The id that finds this in the logs."), **LIMIT_HEADERS}
    if operation.status == 302:
        location = header("Where it is, for a short time.")
        return {"description": description, "headers": {**headers, "Location": location}}
    if operation.answer is None:
        return {"description": description, "headers": headers}
    content = {"schema": ref(operation.answer), "example": example_of(operation.answer)}
    return {"description": description, "headers": headers, "content": {"application/json": content}}
