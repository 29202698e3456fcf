"""Decoding that tells all that is wrong, not only the first thing.

The straight way is one pass of msgspec. Only when it refuses is each field looked at by itself.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import FieldInfo

from shared.contracts.errors import BODY_MALFORMED, VALIDATION_FAILED, FieldError, ServiceError

T = TypeVar("T", bound=msgspec.Struct)

_ERRORS_MAX = 50
_SHOWN_MAX_CHARS = 100


def decode_body(raw: bytes, struct_type: type[T]) -> T:
    """Read a JSON body.

    Raises `body.malformed` for what is no JSON, `validation.failed` with every fault for the rest.
    """
    try:
        value: T = _decoder(struct_type).decode(raw)
    except msgspec.ValidationError as error:
        raise validation_failed(_faults_of_json(raw, struct_type) or (_fault_of(error, "$"),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BODY_MALFORMED.exception(f"The body is not valid JSON in UTF-8: {error}.") from None
    return value


def decode_query(pairs: Iterable[tuple[str, str]], struct_type: type[T]) -> T:
    """Read a query string's pairs; numbers come as text. Raises `validation.failed` with every fault."""
    values: dict[str, str] = {}
    repeated = set()
    for name, value in pairs:
        repeated.update({name} & values.keys())
        values[name] = value
    # In a query `null` is a text like any other, but the lax reading of numbers takes it for nothing.
    nulls = [name for name, value in values.items() if value.lower() == "null"]
    if not repeated and not nulls:
        with suppress(msgspec.ValidationError):
            return msgspec.convert(values, struct_type, strict=False)
    faults = [FieldError(name, "may be given once only") for name in sorted(repeated)]
    faults.extend(_faults_of(values, struct_type, strict=False))
    told = {fault.path for fault in faults}
    faults.extend(FieldError(name, "must not be null") for name in nulls if name not in told)
    raise validation_failed(faults or (FieldError("$", "is not a valid query"),))


def validation_failed(faults: Iterable[FieldError]) -> ServiceError:
    """Return `validation.failed` with at most 50 field errors."""
    listed = tuple(faults)[:_ERRORS_MAX]
    names = ", ".join(fault.path for fault in listed[:5])
    return VALIDATION_FAILED.exception(f"{len(listed)} thing(s) wrong with: {names}.", listed)


@cache
def _decoder(struct_type: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(struct_type)


def _faults_of_json(raw: bytes, struct_type: type[msgspec.Struct]) -> tuple[FieldError, ...]:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BODY_MALFORMED.exception(f"The body is not valid JSON in UTF-8: {error}.") from None
    if not isinstance(value, dict):
        return (FieldError("$", "must be a JSON object"),)
    return tuple(_faults_of(value, struct_type, strict=True))


def _faults_of(
    values: Mapping[str, Any], struct_type: type[msgspec.Struct], *, strict: bool
) -> Iterable[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct_type)}
    if struct_type.__struct_config__.forbid_unknown_fields:
        unknown = (name for name in values if name not in fields)
        yield from (FieldError(_shown(name), "is not a known field") for name in unknown)
    for name, field in fields.items():
        if name not in values:
            if field.required:
                yield FieldError(name, "is required")
            continue
        try:
            msgspec.convert({name: values[name]}, _one_field(struct_type, name), strict=strict)
        except msgspec.ValidationError as error:
            yield _fault_of(error, name, rule_of(field.type))


@cache
def _one_field(struct_type: type[msgspec.Struct], name: str) -> type[msgspec.Struct]:
    """Return a struct with this one field: msgspec cannot convert to a bare field type (UNSET)."""
    field = next(field for field in msgspec.structs.fields(struct_type) if field.encode_name == name)
    return msgspec.defstruct("Field", [_definition(field)], rename={field.name: name})


def _definition(field: FieldInfo) -> tuple[str, Any]:
    return (field.name, field.type)


def rule_of(struct_type: Any) -> str | None:
    """Return the rule in a type's metadata, or the values of an enum."""
    if isinstance(struct_type, type) and issubclass(struct_type, Enum):
        return "must be one of " + ", ".join(str(member.value) for member in struct_type)
    for part in (*getattr(struct_type, "__metadata__", ()), *get_args(struct_type)):
        if isinstance(part, msgspec.Meta) and part.extra and "rule" in part.extra:
            return str(part.extra["rule"])
        if not isinstance(part, (str, int)) and (rule := rule_of(part)):
            return rule
    return None


def _fault_of(error: msgspec.ValidationError, name: str, rule: str | None = None) -> FieldError:
    message, _, path = str(error).partition(" - at `$")
    inner = path.rstrip("`").removeprefix(f".{name}").removeprefix(".")
    where = f"{name}.{inner}".rstrip(".") if inner else name
    if rule is None or inner:
        return FieldError(_shown(where), _shown(message[:1].lower() + message[1:]))
    return FieldError(where, rule)


def _shown(text: str) -> str:
    """Return the input in a form that may be sent back: shortened, and encodable as UTF-8."""
    return text[:_SHOWN_MAX_CHARS].encode(errors="replace").decode()
