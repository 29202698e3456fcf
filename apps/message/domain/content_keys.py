"""The keys that may encrypt contents, written as `id:base64` of 32 bytes each. Pure.

`plain` in the first position is no key: new contents are stored as they are, encrypted ones stay readable.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable

PLAIN = "plain"
_KEY = re.compile(r"([A-Za-z0-9._-]{1,32}):([A-Za-z0-9+/]{43}=)")


def read_keys(texts: Iterable[str]) -> dict[str, bytes]:
    """Return the keys by their ids, in order. Raises ValueError, whose text contains no key."""
    keys: dict[str, bytes] = {}
    for number, text in enumerate(texts, 1):
        if (number, text) == (1, PLAIN):
            continue
        match = _KEY.fullmatch(text)
        if match is None:
            raise ValueError(f"key {number} must be id:base64 of 32 bytes")
        key_id, encoded = match.groups()
        if key_id in keys:
            raise ValueError(f"the id {key_id} comes twice")
        try:
            keys[key_id] = b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError(f"key {number} must be id:base64 of 32 bytes") from None
    return keys
