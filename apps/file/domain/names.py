"""Names of files as others give them."""

import re
import unicodedata
from urllib.parse import quote

_TURNS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NAME_MAX_CHARS = 255


def base_name(name: str) -> str:
    """What a form gives as a name, without the folders before it and without what no name may hold.

    RFC 7578, section 4.2: a path that comes with a name is not to be used.
    """
    base = re.split(r"[/\\]", name)[-1]
    kept = "".join(c for c in base if unicodedata.category(c) not in ("Cc", "Cs"))
    return _TURNS.sub("", kept).strip()[-_NAME_MAX_CHARS:]


def disposition(name: str, *, inline: bool) -> str:
    """The header `Content-Disposition` (RFC 6266): in ASCII for all, in UTF-8 for who knows RFC 8187."""
    kind = "inline" if inline else "attachment"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
