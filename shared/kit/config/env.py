"""Settings read from the environment; every problem is reported at once, by the name of its variable.

A field `call_timeout_ms` is the variable `CALL_TIMEOUT_MS`; an empty value counts as unset. Bounds and
descriptions stand in the field's `Meta`, from which the table in the documents is generated.
"""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

Secret = Annotated[str, Meta(extra={"secret": True})]
"""A value that no text ever shows: a password, or a URL that holds one."""

REDACTED = "***"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all settings; its text hides secrets."""

    def __repr__(self) -> str:
        pairs = ((field, getattr(self, field.name)) for field in msgspec.structs.fields(self))
        rendered = (
            f"{field.name}={REDACTED if value and is_secret(field) else repr(value)}"
            for field, value in pairs
        )
        return f"{type(self).__name__}({', '.join(rendered)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []

    def problems(self) -> Iterator[str]:
        """Yield the problems of values that are valid one by one. Names variables, shows no secret."""
        yield from ()


T = TypeVar("T", bound=Settings)


class SettingsError(Exception):
    """The environment is not valid; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"The settings are not valid:\n{lines}")
        self.problems = problems


class SettingDoc(msgspec.Struct, frozen=True):
    """One row of the settings table. `default` is None where a value is required."""

    name: str
    default: str | None
    bounds: str
    description: str


def load(settings_type: type[T], environ: Mapping[str, str]) -> T:
    """Read these settings from an environment. Raises `SettingsError` with every problem."""
    values: dict[str, Any] = {}
    problems = []
    for field in msgspec.structs.fields(settings_type):
        raw = environ.get(env_name(field), "").strip()
        if raw:
            try:
                values[field.name] = _parse(raw, field)
            except ValueError:
                problems.append(_problem(raw, field))
        elif field.required:
            problems.append(f"{env_name(field)} is required and must be {_bounds(field)}")
    if not problems:
        settings = settings_type(**values)
        problems.extend(settings.problems())
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def document(settings_type: type[Settings]) -> tuple[SettingDoc, ...]:
    """Return the rows of a settings table: variable, default, unit and bounds, description."""
    return tuple(
        SettingDoc(env_name(field), _default(field), _bounds(field), _meta(field, "description") or "")
        for field in msgspec.structs.fields(settings_type)
    )


def env_name(field: FieldInfo) -> str:
    """Return the name of the variable that sets a field."""
    return field.name.upper()


def is_secret(field: FieldInfo) -> bool:
    """Return True if the value of this field must not be shown."""
    return any(meta.extra and meta.extra.get("secret") for meta in _metas(field.type))


def _parse(raw: str, field: FieldInfo) -> Any:
    plain = _plain(field.type)
    value = [part.strip() for part in raw.split(",") if part.strip()] if get_origin(plain) is tuple else raw
    return msgspec.convert(value, field.type, strict=False)


def _problem(raw: str, field: FieldInfo) -> str:
    rendered = "" if is_secret(field) else f", not {raw[:60]!r}"
    return f"{env_name(field)} must be {_bounds(field)}{rendered}"


def _default(field: FieldInfo) -> str | None:
    if field.required:
        return None
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


_TYPE_NAMES: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_UNITS = {
    "bytes_s": "bytes a second",
    "ms": "milliseconds",
    "s": "seconds",
    "bytes": "bytes",
    "minute": "a minute",
}


def _bounds(field: FieldInfo) -> str:
    """Return the bounds in words: `a whole number from 1 to 10 (milliseconds)`."""
    plain = _plain(field.type)
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(map(str, get_args(plain)))
    words = (
        "a list, separated by commas"
        if get_origin(plain) is tuple
        else _TYPE_NAMES.get(plain, plain.__name__)
    )
    least, most = _meta(field, "ge"), _meta(field, "le")
    if least is not None:
        words += f" from {least}" + ("" if most is None else f" to {most}")
    elif most is not None:
        words += f" up to {most}"
    if pattern := _meta(field, "pattern"):
        words += f" like {pattern}"
    unit = next((unit for suffix, unit in _UNITS.items() if field.name.endswith(f"_{suffix}")), None)
    return f"{words} ({unit})" if unit else words


def _plain(annotation: Any) -> Any:
    """Return the type without its annotations and without `| None`."""
    if hasattr(annotation, "__metadata__"):
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _plain(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _metas(annotation: Any) -> tuple[Meta, ...]:
    own = tuple(part for part in getattr(annotation, "__metadata__", ()) if isinstance(part, Meta))
    if get_origin(annotation) in (Union, UnionType):
        return tuple(meta for part in get_args(annotation) for meta in _metas(part))
    return own


def _meta(field: FieldInfo, name: str) -> Any:
    values = (getattr(meta, name) for meta in _metas(field.type))
    return next((value for value in values if value is not None), None)
