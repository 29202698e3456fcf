"""Seal texts to a public key: HPKE in base mode (RFC 9180) with X25519, HKDF-SHA256 and AES-128-GCM.

The purpose of a text goes into HPKE's `info`, so that it can be opened for that purpose only. Texts are
padded to a multiple of 64 bytes first, which hides the length of a password.
"""

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

ALGORITHM = "HPKE-X25519-HKDF-SHA256-A128GCM"

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
_BLOCK_BYTES = 64
_INFO_PREFIX = b"concord seal 1"
_PROBE = X25519PrivateKey.generate()
_KEYS_MAX = 256
"""Each process that calls has one key for its whole life."""


class DecryptionError(Exception):
    """The text was not sealed to this key with this `info`, or is garbage."""


def seal(text: str, key: X25519PublicKey, *info: bytes) -> str:
    """Return a sealed text, in base64url. Raises ValueError for an invalid public key."""
    raw = text.encode() + b"\x80"
    raw += bytes(-len(raw) % _BLOCK_BYTES)
    return base64url(_SUITE.encrypt(raw, key, info=_encode_info(info)))


def unseal(sealed: str, key: X25519PrivateKey, *info: bytes) -> str:
    """Return the text that `seal` sealed. Raises DecryptionError without giving the reason."""
    try:
        raw = _SUITE.decrypt(from_base64url(sealed), key, info=_encode_info(info)).rstrip(b"\0")
        if not raw.endswith(b"\x80"):
            raise DecryptionError
        return raw[:-1].decode()
    except (InvalidTag, ValueError) as error:
        raise DecryptionError from error


def public_text(key: X25519PrivateKey) -> str:
    """Return the public key of a private key, in base64url."""
    return base64url(key.public_key().public_bytes_raw())


@lru_cache(_KEYS_MAX)
def public_key(text: str) -> X25519PublicKey:
    """Return the public key of 32 bytes in base64url. Raises DecryptionError for anything else.

    Points of small order are rejected as well, because a secret agreed with them is not secret (RFC 7748,
    6.1): here, before a request is processed, and not only when its answer has to be sealed.
    """
    try:
        key = X25519PublicKey.from_public_bytes(from_base64url(text))
        _PROBE.exchange(key)
    except ValueError as error:
        raise DecryptionError from error
    return key


def base64url(raw: bytes) -> str:
    """Encode as base64url without padding (RFC 7515)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode base64url without padding. Raises ValueError for anything else."""
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(raw) != text:  # Python skips characters that are not base64
        raise binascii.Error("not base64url")
    return raw


def _encode_info(info: tuple[bytes, ...]) -> bytes:
    parts = (_INFO_PREFIX, *info)
    return struct.pack(f">{len(parts)}I", *map(len, parts)) + b"".join(parts)
