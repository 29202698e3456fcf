"""File names as clients send them."""

import re
import unicodedata
from urllib.parse import quote

_BIDI_CONTROLS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NAME_MAX_CHARS = 255


def base_name(name: str) -> str:
    """Return a client's file name without its folders and without control characters.

    RFC 7578, section 4.2: a receiver must not use path information in a file name.
    """
    base = re.split(r"[/\\]", name)[-1]
    printable = "".join(c for c in base if unicodedata.category(c) not in ("Cc", "Cs"))
    return _BIDI_CONTROLS.sub("", printable).strip()[-_NAME_MAX_CHARS:]


def disposition(name: str, *, inline: bool) -> str:
    """Return a `Content-Disposition` (RFC 6266): ASCII for all clients, UTF-8 for those with RFC 8187."""
    disposition_type = "inline" if inline else "attachment"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"{disposition_type}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
