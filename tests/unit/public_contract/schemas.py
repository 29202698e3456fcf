"""JSON schemas as flat lists of fields, without the texts and without the names of structs."""

from typing import Any

Json = dict[str, Any]

RULES = (
    *("format", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems"),
    *("additionalProperties", "contentEncoding", "contentMediaType", "default"),
)


def fields_of(schema: Json, document: Json) -> dict[str, str]:
    """Return each field by its path (`items[].id`), with its type and its rules; `$` is the whole body."""
    return dict(_fields(schema, document["components"]["schemas"], "$", True, ()))


def rules_of(schema: Json) -> str:
    """Return the type and the rules of one value in a line."""
    value_type = schema.get("type", "any")
    words = ["|".join(value_type) if isinstance(value_type, list) else str(value_type)]
    words += [f"{rule}={_value(schema[rule])}" for rule in RULES if _is_simple(schema.get(rule))]
    return " ".join(words)


def _fields(
    schema: Json, components: Json, path: str, required: bool, within: tuple[str, ...]
) -> list[tuple[str, str]]:
    schema, within = _resolved(schema, components, within)
    optional = "" if required else " optional"
    choices = [choice for choice in _choices(schema) if choice.get("type") != "null"]
    if choices:
        nullable = " nullable" if len(choices) < len(_choices(schema)) else ""
        rows: list[tuple[str, str]] = []
        for number, choice in enumerate(choices):
            where = path if len(choices) == 1 else f"{path}({number})"
            first, *rest = _fields(choice, components, where, required, within)
            default = f" default={_value(schema['default'])}" if "default" in schema else ""
            rows += [(first[0], f"{first[1]}{nullable}{default}"), *rest]
        return rows
    rows = [(path, rules_of(schema) + optional)]
    if within and within[-1] in within[:-1]:
        return [(path, f"recursive{optional}")]
    start = "" if path == "$" else f"{path}."
    for name, part in sorted(schema.get("properties", {}).items()):
        rows += _fields(part, components, f"{start}{name}", name in schema.get("required", ()), within)
    if isinstance(items := schema.get("items"), dict):
        rows += _fields(items, components, f"{path}[]", True, within)
    if isinstance(more := schema.get("additionalProperties"), dict):
        rows += _fields(more, components, f"{path}.*", True, within)
    return rows


def _choices(schema: Json) -> list[Json]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _resolved(schema: Json, components: Json, within: tuple[str, ...]) -> tuple[Json, tuple[str, ...]]:
    """Follow references and put the parts of `allOf` together."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved({**components[name], **beside}, components, (*within, name))
    if "allOf" not in schema:
        return schema, within
    merged: Json = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        resolved, _ = _resolved(part, components, within)
        properties = {**merged.get("properties", {})}
        for name, field in resolved.get("properties", {}).items():
            properties[name] = {**properties.get(name, {}), **field}
        required = [*merged.get("required", ()), *resolved.get("required", ())]
        merged = {**merged, **resolved, "properties": properties, "required": required}
    return merged, within


def _is_simple(value: Any) -> bool:
    return value is not None and not isinstance(value, dict)


def _value(value: Any) -> str:
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)
