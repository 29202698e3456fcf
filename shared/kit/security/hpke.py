"""Sealing a text to a public key: HPKE in its base mode (RFC 9180), X25519, HKDF-SHA256, AES-128-GCM.

What a text is sealed *for* goes into HPKE's `info`, so that it opens there and nowhere else. Texts are
filled up to a multiple of 64 bytes first: how long a password is, is not told.
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
_PURPOSE = b"concord seal 1"
_PROBE = X25519PrivateKey.generate()
_KEYS_MAX = 256
"""Each process that calls has one key for all its life."""


class DecryptionError(Exception):
    """It was not sealed to this key for this purpose, or it is garbage."""


def seal(text: str, key: X25519PublicKey, *purpose: bytes) -> str:
    """Seal a text, in base64 for URLs. Raises ValueError for a public key that is none."""
    raw = text.encode() + b"\x80"
    raw += bytes(-len(raw) % _BLOCK_BYTES)
    return base64url(_SUITE.encrypt(raw, key, info=_info(purpose)))


def unseal(sealed: str, key: X25519PrivateKey, *purpose: bytes) -> str:
    """Open what `seal` made. Raises DecryptionError, and does not say why."""
    try:
        raw = _SUITE.decrypt(from_base64url(sealed), key, info=_info(purpose)).rstrip(b"\0")
        if not raw.endswith(b"\x80"):
            raise DecryptionError
        return raw[:-1].decode()
    except (InvalidTag, ValueError) as error:
        raise DecryptionError from error


def public_text(key: X25519PrivateKey) -> str:
    """The public half, in base64 for URLs."""
    return base64url(key.public_key().public_bytes_raw())


@lru_cache(_KEYS_MAX)
def public_key(text: str) -> X25519PublicKey:
    """A public key from its 32 bytes in base64 for URLs. Raises DecryptionError for what is none.

    A point of small order is none either: what is agreed on with it is no secret (RFC 7748, 6.1). That is
    found out here, before anything is done, and not when an answer has to be sealed.
    """
    try:
        key = X25519PublicKey.from_public_bytes(from_base64url(text))
        _PROBE.exchange(key)
    except ValueError as error:
        raise DecryptionError from error
    return key


def base64url(raw: bytes) -> str:
    """Base64 for URLs, without padding (RFC 7515)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes of base64 for URLs without padding. Raises ValueError for what is anything else."""
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(raw) != text:  # Python passes over what is no base64
        raise binascii.Error("not base64 for URLs")
    return raw


def _info(purpose: tuple[bytes, ...]) -> bytes:
    parts = (_PURPOSE, *purpose)
    return struct.pack(f">{len(parts)}I", *map(len, parts)) + b"".join(parts)
