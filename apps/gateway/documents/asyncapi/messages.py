"""The messages of the AsyncAPI document: headers, keys, payloads and examples, from the contract."""

import msgspec

from apps.gateway.documents.asyncapi.headers import (
    EVENT_HEADERS,
    FAILURE_HEADERS,
    OPTIONAL,
    REPLY_HEADERS,
    REQUEST_HEADERS,
    Json,
    example,
    header_values,
    headers,
)
from shared.contracts import errors as e
from shared.contracts.catalogue import EVENTS, OPERATIONS
from shared.contracts.errors import ErrorCode, ErrorReply
from shared.contracts.event import Event, EventType
from shared.contracts.examples import example_of, example_of_event
from shared.contracts.operation import SECRET_KEYS, Operation
from shared.contracts.rate_limits import Taken
from shared.contracts.secrets import Sealed, is_secret, is_struct, secret_fields

BINDING_VERSION = "0.5.0"
ALWAYS_POSSIBLE = (
    e.VALIDATION_FAILED,
    e.BODY_MALFORMED,
    e.SIGNATURE_INVALID,
    e.INTERNAL_ERROR,
    e.MESH_BUSY,
    e.MESH_TIMEOUT,
)
"""Errors that every operation may return besides its own."""


def messages() -> dict[str, Json]:
    """Return all messages by id: `<operation>.request`, `.answer` and `.error`, events, failed records."""
    by_id: dict[str, Json] = {}
    for operation in OPERATIONS.values():
        by_id[f"{operation.name}.request"] = _request(operation)
        by_id[f"{operation.name}.answer"] = _answer(operation)
        by_id[f"{operation.name}.error"] = _error(operation)
    for event in EVENTS.values():
        by_id[event.name] = _event(event)
    by_id["failed-record"] = _failed_record()
    by_id["limits.taken"] = _taken()
    return by_id


def schemas() -> dict[str, Json]:
    """Return the schemas of all structs that messages consist of."""
    structs: list[type[msgspec.Struct]] = [
        ErrorReply,
        Event,
        Sealed,
        Taken,
        *(event.data for event in EVENTS.values()),
    ]
    for operation in OPERATIONS.values():
        structs += [struct for struct in (operation.request, operation.answer) if struct is not None]
    _, components = msgspec.json.schema_components(
        dict.fromkeys(structs), ref_template="#/components/schemas/{name}"
    )
    for struct in structs:
        _seal(components, struct)
    return dict(components)


def _seal(components: dict[str, Json], struct: type[msgspec.Struct]) -> None:
    """Replace the schema of each secret field by that of its encrypted form, in place."""
    for field in msgspec.structs.fields(struct):
        if is_secret(field.type):
            components[struct.__name__]["properties"][field.encode_name] = _ref(Sealed)
        elif is_struct(field.type):
            _seal(components, field.type)


def errors_of(operation: Operation) -> tuple[ErrorCode, ...]:
    """Return every error of an operation, its own first."""
    sealed = (e.SEAL_BROKEN, e.SEAL_KEY_GONE) if operation.sealed else ()
    return tuple(dict.fromkeys((*operation.errors, *sealed, *ALWAYS_POSSIBLE)))


def sealed_example(struct: type[msgspec.Struct]) -> Json:
    """Return an example as it is written to Kafka, with its secret fields encrypted."""
    sealed = example_of(struct)
    for path in secret_fields(struct):
        *parents, name = path.split(".")
        parent = sealed
        for key in parents:
            parent = parent[key]
        parent[name] = example_of(Sealed)
    return sealed


def _request(operation: Operation) -> Json:
    names: tuple[str, ...] = REQUEST_HEADERS
    names += ("idempotency_key",) if operation.idempotent else ()
    names += ("reply_key",) if operation.answer_secrets else ()
    return {
        "name": f"{operation.name}.request",
        "title": operation.summary,
        "summary": f"A request to the {operation.service} service.",
        "correlationId": _correlation(),
        "headers": headers(names),
        "payload": _ref(operation.request),
        "bindings": _key(operation),
        "examples": [example(names, sealed_example(operation.request))],
    }


def _answer(operation: Operation) -> Json:
    status = str(operation.status)
    message: Json = {
        "name": f"{operation.name}.answer",
        "title": f"{operation.summary}: success",
        "summary": operation.result if operation.answer else f"{operation.result} Without a body.",
        "correlationId": _correlation(),
        "headers": headers(REPLY_HEADERS, status=[status, *map(str, operation.also)]),
    }
    if operation.answer is None:
        return {**message, "examples": [{"headers": header_values(REPLY_HEADERS) | {"status": status}}]}
    success = example(REPLY_HEADERS, sealed_example(operation.answer), status=status)
    return {**message, "payload": _ref(operation.answer), "examples": [success]}


def _error(operation: Operation) -> Json:
    errors = errors_of(operation)
    codes = [error.name for error in errors]
    body = {"code": codes[0], "status": errors[0].status, "detail": errors[0].title}
    names = (*REPLY_HEADERS, "error")
    schema = headers(names, error=codes)
    schema["required"].remove("signature")  # the reply to an unsigned request has none
    return {
        "name": f"{operation.name}.error",
        "title": f"{operation.summary}: error",
        "summary": "A typed error; the header `error` is its code.",
        "correlationId": _correlation(),
        "headers": schema,
        "payload": {"allOf": [_ref(ErrorReply), {"properties": {"code": {"enum": codes}}}]},
        "examples": [example(names, body, error=codes[0], status=str(errors[0].status))],
    }


def _event(event: EventType) -> Json:
    narrowed = {"properties": {"type": {"const": event.name}, "data": _ref(event.data)}}
    return {
        "name": event.name,
        "title": event.summary,
        "summary": f"{event.summary}. Published by {event.service} on {', '.join(event.topics)}.",
        "headers": headers(EVENT_HEADERS, event_type=[event.name]),
        "payload": {"allOf": [_ref(Event), narrowed]},
        "bindings": _kafka_key("Id of the aggregate whose events are kept in order.", "uuid"),
        "examples": [example(EVENT_HEADERS, example_of_event(event), event_type=event.name)],
    }


def _failed_record() -> Json:
    names = (*EVENT_HEADERS, *FAILURE_HEADERS)
    first = next(iter(EVENTS.values()))
    return {
        "name": "failed-record",
        "title": "A record that failed",
        "summary": "The original key, value and headers, and the reason for the failure.",
        "headers": {**headers(names), "required": [name for name in FAILURE_HEADERS if name not in OPTIONAL]},
        "payload": {"description": "The original value; in dead letters it may not be JSON."},
        "examples": [example(names, example_of_event(first), event_type=first.name)],
    }


def _taken() -> Json:
    return {
        "name": "limits.taken",
        "title": "Requests that a gateway admitted",
        "summary": "Requests by caller; the other gateways add them to their own counts.",
        "headers": headers(("signature",)),
        "payload": _ref(Taken),
        "bindings": _kafka_key("`node` of the payload."),
        "examples": [example(("signature",), example_of(Taken))],
    }


def _correlation() -> Json:
    return {"location": "$message.header#/call_id"}


def _key(operation: Operation) -> Json:
    field = next(field for field in msgspec.structs.fields(operation.request) if field.name == operation.key)
    if operation.key in SECRET_KEYS:
        return _kafka_key(f"SHA-256 of `{field.encode_name}`, in hexadecimal.")
    return _kafka_key(f"`{field.encode_name}` of the payload; requests with the same key stay in order.")


def _kafka_key(description: str, form: str | None = None) -> Json:
    key: Json = {"type": "string", "description": description}
    return {
        "kafka": {"key": key if form is None else {**key, "format": form}, "bindingVersion": BINDING_VERSION}
    }


def _ref(struct_type: type[msgspec.Struct]) -> Json:
    return {"$ref": f"#/components/schemas/{struct_type.__name__}"}
