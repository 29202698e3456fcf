"""Redaction of text that looks like a secret, before it is logged or stored.

This is the last guard, against exceptions of libraries and mistakes; code must not log secrets itself.
"""

import re
from typing import Any

MASK = "***"
TEXT_MAX_CHARS = 16_384

_NAMES = r"(?:password|passwd|pwd|secret|token|authorization|api_?key|cookie)"
# Repetitions of words are bounded, so that no text makes a pattern slow.
_PATTERNS = (
    # Postgres quotes the whole row that violates a constraint.
    (re.compile(r"(Failing row contains )\(.*?(?:\)\.?(?=\n)|\Z)", re.DOTALL), rf"\1{MASK}"),
    (re.compile(r"\$argon2\w{0,2}\$[\w$=,+/.-]+"), MASK),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (
        re.compile(r"\b(bearer\s+|authorization[\"']?[:=]\s?[\"']?basic\s+)[\w.~+/=-]{4,}", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    # Without its signature a presigned URL is useless.
    (re.compile(r"([?&](?:X-Amz-Signature|X-Amz-Security-Token)=)[^&\s\"'\\]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(\w{1,30}://[^\s:/@]{0,200}:)[^\s/@]{1,500}@"), rf"\1{MASK}@"),
    (
        re.compile(
            rf"({_NAMES}\w{{0,40}}[\"'\\]{{0,4}}\s{{0,4}}[:=]\s{{0,4}})"
            # An unclosed quote (the text was truncated) hides the rest.
            r"(\"(?:[^\"\\]|\\.)*\"?|\\+\"[^\"]*\"?|b?'(?:[^'\\]|\\.)*'?"
            r"|(?!(?:bearer|basic)\b)[^\s,;&}\])\"'\\]+)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)
_NAME = re.compile(rf"\w*{_NAMES}\w*", re.IGNORECASE)


def redact(text: str) -> str:
    """Mask bearer tokens, JWTs, passwords in URLs, and values named password, token and the like.

    Text beyond 16,384 characters is dropped.
    """
    if len(text) > TEXT_MAX_CHARS:
        text = text[:TEXT_MAX_CHARS] + "… (cut)"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: Any, name: str = "") -> Any:
    """Redact a value of a log line, and all values within it; mask it if `name` is that of a secret."""
    if name and _NAME.fullmatch(name) and value is not None:
        return MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode(errors="replace"))
    if isinstance(value, dict):
        return {str(key): redact_value(part, str(key)) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_value(part) for part in value]
    return value
