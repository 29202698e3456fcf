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
"""Errors that every operation may answer with, beside its own."""


def messages() -> dict[str, Json]:
    """All messages by their id: `<operation>.request`, `.answer`, `.error`, the events, failed records."""
    found: dict[str, Json] = {}
    for operation in OPERATIONS.values():
        found[f"{operation.name}.request"] = _request(operation)
        found[f"{operation.name}.answer"] = _answer(operation)
        found[f"{operation.name}.error"] = _error(operation)
    for event in EVENTS.values():
        found[event.name] = _event(event)
    found["failed-record"] = _failed_record()
    found["limits.taken"] = _taken()
    return found


def schemas() -> dict[str, Json]:
    """The schemas of all structs that messages are made of."""
    kinds: list[type[msgspec.Struct]] = [
        ErrorReply,
        Event,
        Sealed,
        Taken,
        *(event.data for event in EVENTS.values()),
    ]
    for operation in OPERATIONS.values():
        kinds += [kind for kind in (operation.request, operation.answer) if kind is not None]
    _, components = msgspec.json.schema_components(
        dict.fromkeys(kinds), ref_template="#/components/schemas/{name}"
    )
    for kind in kinds:
        _seal(components, kind)
    return dict(components)


def _seal(components: dict[str, Json], kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        if is_secret(field.type):
            components[kind.__name__]["properties"][field.encode_name] = _ref(Sealed)
        elif is_struct(field.type):
            _seal(components, field.type)


def errors_of(operation: Operation) -> tuple[ErrorCode, ...]:
    """Every error that an operation may answer with, its own first."""
    sealed = (e.SEAL_BROKEN, e.SEAL_KEY_GONE) if operation.sealed else ()
    return tuple(dict.fromkeys((*operation.errors, *sealed, *ALWAYS_POSSIBLE)))


def sealed_example(kind: type[msgspec.Struct]) -> Json:
    """An example as it stands in Kafka."""
    shown = example_of(kind)
    for path in secret_fields(kind):
        *within, name = path.split(".")
        place = shown
        for part in within:
            place = place[part]
        place[name] = example_of(Sealed)
    return shown


def _request(operation: Operation) -> Json:
    names: tuple[str, ...] = REQUEST_HEADERS
    names += ("idempotency_key",) if operation.idempotent else ()
    names += ("reply_key",) if operation.answer_secrets else ()
    return {
        "name": f"{operation.name}.request",
        "title": operation.summary,
        "summary": f"Asks {operation.service}: {operation.summary[:1].lower()}{operation.summary[1:]}.",
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
        "title": f"{operation.summary}: done",
        "summary": (operation.answer.__doc__ or "").strip()
        if operation.answer
        else "Done; there is no body.",
        "correlationId": _correlation(),
        "headers": headers(REPLY_HEADERS, status=[status, *map(str, operation.also)]),
    }
    if operation.answer is None:
        return {**message, "examples": [{"headers": header_values(REPLY_HEADERS) | {"status": status}}]}
    shown = example(REPLY_HEADERS, sealed_example(operation.answer), status=status)
    return {**message, "payload": _ref(operation.answer), "examples": [shown]}


def _error(operation: Operation) -> Json:
    kinds = errors_of(operation)
    codes = [kind.code for kind in kinds]
    body = {"code": codes[0], "status": kinds[0].status, "detail": kinds[0].title}
    names = (*REPLY_HEADERS, "error")
    told = headers(names, error=codes)
    told["required"].remove("signature")  # what a stranger's request is answered with has none
    return {
        "name": f"{operation.name}.error",
        "title": f"{operation.summary}: refused",
        "summary": "A typed error; `error` names its code.",
        "correlationId": _correlation(),
        "headers": told,
        "payload": {"allOf": [_ref(ErrorReply), {"properties": {"code": {"enum": codes}}}]},
        "examples": [example(names, body, error=codes[0], status=str(kinds[0].status))],
    }


def _event(event: EventType) -> Json:
    narrowed = {"properties": {"type": {"const": event.name}, "data": _ref(event.data)}}
    return {
        "name": event.name,
        "title": event.summary,
        "summary": f"{event.summary}. Published by {event.service} on {', '.join(event.topics)}.",
        "headers": headers(EVENT_HEADERS, event_type=[event.name]),
        "payload": {"allOf": [_ref(Event), narrowed]},
        "bindings": _kafka_key("Id of the aggregate whose order is kept.", "uuid"),
        "examples": [example(EVENT_HEADERS, example_of_event(event), event_type=event.name)],
    }


def _failed_record() -> Json:
    names = (*EVENT_HEADERS, *FAILURE_HEADERS)
    first = next(iter(EVENTS.values()))
    return {
        "name": "failed-record",
        "title": "A record that failed",
        "summary": "Key, value and headers as they were, and why it failed.",
        "headers": {**headers(names), "required": [name for name in FAILURE_HEADERS if name not in OPTIONAL]},
        "payload": {"description": "The record's value as it was read; in dead letters it may be no JSON."},
        "examples": [example(names, example_of_event(first), event_type=first.name)],
    }


def _taken() -> Json:
    return {
        "name": "limits.taken",
        "title": "What a gateway let through",
        "summary": "Counts of callers who took many, added by all other gateways to their own.",
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
    return _kafka_key(f"`{field.encode_name}` of the payload: its order is kept.")


def _kafka_key(description: str, form: str | None = None) -> Json:
    key: Json = {"type": "string", "description": description}
    return {
        "kafka": {"key": key if form is None else {**key, "format": form}, "bindingVersion": BINDING_VERSION}
    }


def _ref(kind: type[msgspec.Struct]) -> Json:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
