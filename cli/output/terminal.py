"""What records hold, for people at a terminal: without secrets, cut where long, and nothing but text."""

import json
from functools import cache
from typing import Any

from shared.contracts.catalogue import OPERATIONS
from shared.kit.telemetry.redaction import MASK, redact, redact_value

VALUE_MAX_CHARS = 16_384


def shown(value: bytes) -> str:
    """Indented JSON, or the text that it is."""
    try:
        text = json.dumps(redact_value(masked(json.loads(value))), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = redact(value.decode(errors="replace"))
    return printable(text if len(text) <= VALUE_MAX_CHARS else text[:VALUE_MAX_CHARS] + "… (cut)")


def printable(text: str) -> str:
    """The text with all escaped that steers a terminal, turns what is read around, or can not be encoded.

    Strangers decide what is in records and logs: control characters, also those of C1, marks of direction,
    lone surrogates. Only line ends stay.
    """
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def cell(text: str) -> str:
    """The same for what has to stay on one line."""
    return printable(text).replace("\n", "\\n")


def masked(value: Any) -> Any:
    """Without the texts of fields that are secrets by contract, whatever they are called."""
    if isinstance(value, dict):
        names = secret_names()
        return {
            name: MASK if name in names and isinstance(part, str) else masked(part)
            for name, part in value.items()
        }
    return [masked(part) for part in value] if isinstance(value, list) else value


@cache
def secret_names() -> frozenset[str]:
    """The names, in JSON, of all fields of requests and answers that are secrets."""
    paths = (path for one in OPERATIONS.values() for path in (*one.secrets, *one.answer_secrets))
    return frozenset(path.rpartition(".")[2] for path in paths)
