"""How settings are read from the environment: every fault told at once, by the variable's name.

A field `call_timeout_ms` is the variable `CALL_TIMEOUT_MS`; an empty value is as good as none. Bounds and
descriptions stand in the field's `Meta`, so that the table in the documents is made from the code.
"""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

Secret = Annotated[str, Meta(extra={"secret": True})]
"""A value that no text ever shows: a password, or a URL that holds one."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all settings: its text hides secrets."""

    def __repr__(self) -> str:
        pairs = ((field, getattr(self, field.name)) for field in msgspec.structs.fields(self))
        shown = (
            f"{field.name}={'***' if value and is_secret(field) else repr(value)}" for field, value in pairs
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []

    def faults(self) -> Iterator[str]:
        """What is wrong with values that are fine each by itself. Names variables, shows no secret."""
        yield from ()


T = TypeVar("T", bound=Settings)


class SettingsError(Exception):
    """The environment is not good; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("The settings are not valid:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = faults


class SettingDoc(msgspec.Struct, frozen=True):
    """One row of the settings table. `default` is None where a value is required."""

    name: str
    default: str | None
    bounds: str
    description: str


def load(kind: type[T], environ: Mapping[str, str]) -> T:
    """Read these settings from an environment. Raises `SettingsError` with every fault."""
    values: dict[str, Any] = {}
    faults = []
    for field in msgspec.structs.fields(kind):
        raw = environ.get(env_name(field), "").strip()
        if raw:
            try:
                values[field.name] = _read(raw, field)
            except ValueError:
                faults.append(_fault(raw, field))
        elif field.required:
            faults.append(f"{env_name(field)} is required and must be {_bounds(field)}")
    if not faults:
        settings = kind(**values)
        faults.extend(settings.faults())
    if faults:
        raise SettingsError(tuple(faults))
    return settings


def describe(kind: type[Settings]) -> tuple[SettingDoc, ...]:
    """The rows of a settings table: variable, default, unit and bounds, description."""
    return tuple(
        SettingDoc(env_name(field), _default(field), _bounds(field), _meta(field, "description") or "")
        for field in msgspec.structs.fields(kind)
    )


def env_name(field: FieldInfo) -> str:
    """The variable that a field is read from."""
    return field.encode_name.upper()


def is_secret(field: FieldInfo) -> bool:
    """Whether the value of this field may not be shown."""
    return any(meta.extra and meta.extra.get("secret") for meta in _metas(field.type))


def _read(raw: str, field: FieldInfo) -> Any:
    plain = _plain(field.type)
    value = [part.strip() for part in raw.split(",") if part.strip()] if get_origin(plain) is tuple else raw
    return msgspec.convert(value, field.type, strict=False)


def _fault(raw: str, field: FieldInfo) -> str:
    shown = "" if is_secret(field) else f", not {raw[:60]!r}"
    return f"{env_name(field)} must be {_bounds(field)}{shown}"


def _default(field: FieldInfo) -> str | None:
    if field.required:
        return None
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


_KINDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_UNITS = {
    "bytes_s": "bytes a second",
    "ms": "milliseconds",
    "s": "seconds",
    "bytes": "bytes",
    "minute": "a minute",
}


def _bounds(field: FieldInfo) -> str:
    """In words: `a whole number from 1 to 10 (milliseconds)`."""
    plain = _plain(field.type)
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(map(str, get_args(plain)))
    words = "a list, separated by commas" if get_origin(plain) is tuple else _KINDS.get(plain, plain.__name__)
    least, most = _meta(field, "ge"), _meta(field, "le")
    if least is not None:
        words += f" from {least}" + ("" if most is None else f" to {most}")
    elif most is not None:
        words += f" up to {most}"
    if pattern := _meta(field, "pattern"):
        words += f" like {pattern}"
    unit = next((unit for end, unit in _UNITS.items() if field.name.endswith(f"_{end}")), None)
    return f"{words} ({unit})" if unit else words


def _plain(kind: Any) -> Any:
    """The type without its annotations and without `| None`."""
    if hasattr(kind, "__metadata__"):
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return _plain(next(part for part in get_args(kind) if part is not type(None)))
    return kind


def _metas(kind: Any) -> tuple[Meta, ...]:
    own = tuple(part for part in getattr(kind, "__metadata__", ()) if isinstance(part, Meta))
    if get_origin(kind) in (Union, UnionType):
        return tuple(meta for part in get_args(kind) for meta in _metas(part))
    return own


def _meta(field: FieldInfo, name: str) -> Any:
    found = (getattr(meta, name) for meta in _metas(field.type))
    return next((value for value in found if value is not None), None)
