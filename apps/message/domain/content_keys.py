"""The keys that contents may be encrypted with, as they are named: `id:base64` of 32 bytes each. Pure.

`plain` in the first place is no key: contents are written as they are, and those that were encrypted read.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable

PLAIN = "plain"
_KEY = re.compile(r"([A-Za-z0-9._-]{1,32}):([A-Za-z0-9+/]{43}=)")


def read_keys(keys: Iterable[str]) -> dict[str, bytes]:
    """The keys by their ids, in order. Raises ValueError, whose text shows no key."""
    found: dict[str, bytes] = {}
    for number, text in enumerate(keys, 1):
        if (number, text) == (1, PLAIN):
            continue
        match = _KEY.fullmatch(text)
        if match is None:
            raise ValueError(f"key {number} must be id:base64 of 32 bytes")
        name, encoded = match.groups()
        if name in found:
            raise ValueError(f"the id {name} comes twice")
        try:
            found[name] = b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError(f"key {number} must be id:base64 of 32 bytes") from None
    return found
