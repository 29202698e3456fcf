"""The content of records for a terminal: without secrets, truncated if long, printable text only."""

import json
from functools import cache
from typing import Any

from shared.contracts.catalogue import OPERATIONS
from shared.kit.telemetry.redaction import MASK, redact, redact_value

VALUE_MAX_CHARS = 16_384


def render(value: bytes) -> str:
    """Return the value as indented JSON, or as text if it is not JSON."""
    try:
        text = json.dumps(redact_value(mask(json.loads(value))), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = redact(value.decode(errors="replace"))
    return printable(text if len(text) <= VALUE_MAX_CHARS else text[:VALUE_MAX_CHARS] + "… (truncated)")


def printable(text: str) -> str:
    """Escape all that controls a terminal, reverses the reading direction, or cannot be encoded.

    Strangers write records and logs: control characters, those of C1 too, direction marks and lone
    surrogates are escaped; only line ends stay.
    """
    return "".join(
        char if char == "\n" or char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def render_cell(text: str) -> str:
    """Return printable text on one line."""
    return printable(text).replace("\n", "\\n")


def mask(value: Any) -> Any:
    """Return the value without the text of fields that are secrets by contract, whatever their names."""
    if isinstance(value, dict):
        names = secret_names()
        return {
            name: MASK if name in names and isinstance(part, str) else mask(part)
            for name, part in value.items()
        }
    return [mask(part) for part in value] if isinstance(value, list) else value


@cache
def secret_names() -> frozenset[str]:
    """Return the names, in JSON, of all secret fields of requests and replies."""
    paths = (path for one in OPERATIONS.values() for path in (*one.secrets, *one.answer_secrets))
    return frozenset(path.rpartition(".")[2] for path in paths)
