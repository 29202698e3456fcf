"""The content of messages at rest: as it is or, when keys are set, encrypted (ADR 13).

AES-256-GCM with a random nonce of 96 bits, bound to the message's channel and id: whoever can write to the
database can neither read a content nor put it under another message.

The fingerprint of a request, which is kept beside its content, would let short contents be guessed. So it is
stored as an HMAC (RFC 2104) with a key of its own that follows from the content key (HKDF, RFC 5869).
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from apps.message.domain.content_keys import PLAIN, read_keys

_NONCE_BYTES = 12
_MARK_BYTES = 32
_MARK_PURPOSE = b"concord fingerprint of a content 1"


class ContentUnreadable(Exception):
    """A stored content can not be opened: its key is not set, or it was changed in the database."""


class ContentEncryption:
    """Closes contents with the first of these keys (`id:base64`), opens them with any; without keys, neither.

    After `plain` in the first place it opens only. Raises ValueError for what are no keys, or for an id that
    comes twice.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        listed = tuple(keys)
        found = read_keys(listed)
        self._ciphers = {name: AESGCM(raw) for name, raw in found.items()}
        self._marking = {name: _marking_key(raw) for name, raw in found.items()}
        self._first = None if PLAIN in listed[:1] else next(iter(found), None)

    def close(self, channel_id: UUID, message_id: UUID, content: str) -> tuple[str, str | None]:
        """What is stored as the content, and the id of its key; null for one as it is."""
        name = self._first
        if name is None:
            return content, None
        nonce = secrets.token_bytes(_NONCE_BYTES)
        closed = self._ciphers[name].encrypt(nonce, content.encode(), channel_id.bytes + message_id.bytes)
        return b64encode(nonce + closed).decode("ascii"), name

    def mark(self, fingerprint: bytes | None) -> bytes | None:
        """What is stored of the fingerprint of a request, with the first key too."""
        if fingerprint is None or self._first is None:
            return fingerprint
        return hmac.digest(self._marking[self._first], fingerprint, "sha256")

    def recognise(self, stored: bytes | None, fingerprint: bytes | None) -> bytes | None:
        """The fingerprint, if it is the one that was stored, under any of the keys or as it is; else None."""
        if stored is None or fingerprint is None:
            return None
        marks = (hmac.digest(key, fingerprint, "sha256") for key in self._marking.values())
        return fingerprint if any(hmac.compare_digest(stored, one) for one in (fingerprint, *marks)) else None

    def open(self, channel_id: UUID, message_id: UUID, stored: str, key: str | None) -> str:
        """The content. Raises ContentUnreadable."""
        if key is None:
            return stored
        cipher = self._ciphers.get(key)
        if cipher is None:
            raise ContentUnreadable(f"message {message_id}: MESSAGE_CONTENT_KEYS has no key {key!r}")
        try:
            raw = b64decode(stored)
            bound_to = channel_id.bytes + message_id.bytes
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to).decode()
        except (InvalidTag, ValueError) as error:
            raise ContentUnreadable(f"message {message_id}: its content was changed") from error


def _marking_key(raw: bytes) -> bytes:
    return HKDF(SHA256(), _MARK_BYTES, salt=None, info=_MARK_PURPOSE).derive(raw)
