"""Examples for the documents, made from the contract itself, so that they can not fall behind it."""

from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import FieldInfo

from shared.contracts.event import Event, EventType
from shared.contracts.fields import Id, Time

_TEXTS = {
    "user_agent": "Mozilla/5.0",
    "network": "203.0.113.7",
    "next": "MDE5YTRjNWU",
    "kid": "2026-05-a",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "iss": "concord",
    "aud": "concord",
    "audience": "access",
    "code": "validation.failed",
    "detail": "1 thing(s) wrong with: content.",
    "path": "content",
    "message": "is required",
}
_NUMBERS = {"status": 400, "expires_in_s": 900, "exp": 1_777_637_700, "iat": 1_777_636_800, "member_count": 3}


def example_of(struct_type: type[Struct]) -> dict[str, Any]:
    """Return an example of a struct as a JSON object."""
    fields = (field for field in msgspec.structs.fields(struct_type) if not _is_left_out(field))
    return {field.encode_name: _example_of_field(field) for field in fields}


def example_of_event(event_type: EventType) -> dict[str, Any]:
    """Return an example of an event as a JSON object."""
    return {**example_of(Event), "type": event_type.name, "data": example_of(event_type.data)}


def _is_left_out(field: FieldInfo) -> bool:
    """Return True for optional cursors and ids: a made-up one would spoil the example."""
    part = _part(field.type)
    return field.default is None and (_bare(part) is UUID or not _shown(part))


def _example_of_field(field: FieldInfo) -> Any:
    default = field.default
    if default is not msgspec.NODEFAULT and default is not None and default is not UNSET:
        return msgspec.to_builtins(default)
    return _example_of_type(field.type, field.name)


def _example_of_type(annotation: Any, name: str) -> Any:
    part = _part(annotation)
    bare, shown = _bare(part), _shown(part)
    if shown:
        return shown[0]
    if get_origin(bare) in (list, tuple):
        return [_example_of_type(get_args(bare)[0], name)]
    if get_origin(bare) is Literal:
        return get_args(bare)[0]
    return _example_of_class(bare, name)


def _example_of_class(annotation: Any, name: str) -> Any:
    if annotation is msgspec.Raw:
        return {}
    if annotation is UUID:
        return _example_of_type(Id, name)
    if issubclass(annotation, Struct):
        return example_of(annotation)
    if issubclass(annotation, Enum):
        return next(iter(annotation)).value
    if issubclass(annotation, bool):
        return True
    if issubclass(annotation, int):
        return _NUMBERS.get(name, 1)
    return _TEXTS.get(name, name) if issubclass(annotation, str) else _example_of_type(Time, name)


def _part(annotation: Any) -> Any:
    """Return the first value type of a union, or the type itself."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    return next(part for part in get_args(annotation) if part not in (type(None), UnsetType))


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _shown(annotation: Any) -> list[Any]:
    metas = (part for part in getattr(annotation, "__metadata__", ()) if isinstance(part, Meta))
    return [example for meta in metas for example in meta.examples or ()]
