"""Which fields of a contract are secret: they stand in Kafka sealed to whom they are for (ADR 12)."""

from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct

SEALED_MAX_CHARS = 24_576
"""Room for the longest token of four bytes a character, sealed, in base64."""


class Sealed(Struct, kw_only=True, omit_defaults=True):
    """What stands in Kafka in place of a secret: HPKE (RFC 9180), encapsulated key and ciphertext."""

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


def secret_fields(kind: type[Struct] | None) -> tuple[str, ...]:
    """The names in JSON of the secret fields of a struct; structs within it are not looked at."""
    if kind is None:
        return ()
    return tuple(field.encode_name for field in msgspec.structs.fields(kind) if is_secret(field.type))


def is_secret(kind: Any) -> bool:
    """Whether a type, or a part of a union, is marked as secret."""
    metas = (part for part in getattr(kind, "__metadata__", ()) if isinstance(part, Meta))
    return any(meta.extra and meta.extra.get("secret") for meta in metas) or any(
        is_secret(part) for part in get_args(kind) if not isinstance(part, (str, int))
    )
