"""Which fields of a contract are secret: they stand in Kafka sealed to whom they are for (ADR 12)."""

from typing import Annotated, Any, TypeGuard, get_args

import msgspec
from msgspec import Meta, Struct

SEALED_MAX_CHARS = 24_576
"""Room for the longest token of four bytes a character, sealed, in base64."""


class Sealed(Struct, kw_only=True, omit_defaults=True):
    """The replacement of a secret in Kafka: encapsulated key and ciphertext of HPKE (RFC 9180)."""

    sealed: Annotated[
        str,
        Meta(
            max_length=SEALED_MAX_CHARS,
            pattern=r"^[A-Za-z0-9_-]+$(?!\n)",
            description="Base64 for URLs, without padding",
            examples=["3q2-7w"],
        ),
    ]
    key: Annotated[
        str | None,
        Meta(description="Name of the key that opens it; null: the `reply_key` of the request"),
    ] = None


def secret_fields(struct_type: type[Struct] | None) -> tuple[str, ...]:
    """Return the JSON paths of a struct's secrets: `password`, or `upload.url` within the struct `upload`.

    Lists and unions of structs are not searched: the contract has no secrets in them.
    """
    found: list[str] = []
    for field in () if struct_type is None else msgspec.structs.fields(struct_type):
        if is_secret(field.type):
            found.append(field.encode_name)
        elif is_struct(field.type):
            found += (f"{field.encode_name}.{inner}" for inner in secret_fields(field.type))
    return tuple(found)


def is_struct(annotation: Any) -> TypeGuard[type[Struct]]:
    """Return True if the type is a struct."""
    return isinstance(annotation, type) and issubclass(annotation, Struct)


def is_secret(annotation: Any) -> bool:
    """Return True if the type, or a member of the union, is marked as secret."""
    metas = (part for part in getattr(annotation, "__metadata__", ()) if isinstance(part, Meta))
    return any(meta.extra and meta.extra.get("secret") for meta in metas) or any(
        is_secret(part) for part in get_args(annotation) if not isinstance(part, (str, int))
    )
