"""The content of messages at rest: as it is or, with keys, encrypted (ADR 13).

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits. The additional data are the ids of the channel
and the message: an attacker with access to the database can neither read a content nor move it to another
message.

The fingerprint of a request, stored with its content, would let an attacker guess short contents. So it is
stored as an HMAC (RFC 2104) with a key derived from the content key (HKDF, RFC 5869).
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
_HMAC_KEY_BYTES = 32
_HMAC_KEY_INFO = b"concord fingerprint of a content 1"


class ContentUnreadable(Exception):
    """A stored content cannot be decrypted: its key is not set, or it was changed in the database."""


class ContentEncryption:
    """Encrypt contents with the first of these keys (`id:base64`), decrypt them with any of them.

    Without keys contents are stored as they are. With `plain` in the first position only decrypt. Raises
    ValueError for a malformed key and for an id that comes twice.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        listed = tuple(keys)
        by_id = read_keys(listed)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in by_id.items()}
        self._hmac_keys = {key_id: _hmac_key(key) for key_id, key in by_id.items()}
        self._first = None if PLAIN in listed[:1] else next(iter(by_id), None)

    def encrypt(self, channel_id: UUID, message_id: UUID, content: str) -> tuple[str, str | None]:
        """Return the text to store and the id of its key, None for a content that is stored as it is."""
        key_id = self._first
        if key_id is None:
            return content, None
        nonce = secrets.token_bytes(_NONCE_BYTES)
        encrypted = self._ciphers[key_id].encrypt(
            nonce, content.encode(), channel_id.bytes + message_id.bytes
        )
        return b64encode(nonce + encrypted).decode("ascii"), key_id

    def decrypt(self, channel_id: UUID, message_id: UUID, stored: str, key_id: str | None) -> str:
        """Return the content of a stored text. Raises ContentUnreadable."""
        if key_id is None:
            return stored
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise ContentUnreadable(f"message {message_id}: MESSAGE_CONTENT_KEYS has no key {key_id!r}")
        try:
            raw = b64decode(stored)
            additional_data = channel_id.bytes + message_id.bytes
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], additional_data).decode()
        except (InvalidTag, ValueError) as error:
            raise ContentUnreadable(f"message {message_id}: its content was changed") from error

    def protect_fingerprint(self, fingerprint: bytes | None) -> bytes | None:
        """Return the stored form of a request's fingerprint: with the first key an HMAC of it."""
        if fingerprint is None or self._first is None:
            return fingerprint
        return hmac.digest(self._hmac_keys[self._first], fingerprint, "sha256")

    def recognize_fingerprint(self, stored: bytes | None, fingerprint: bytes | None) -> bytes | None:
        """Return the fingerprint if its stored form under any key, or itself, is `stored`; None otherwise."""
        if stored is None or fingerprint is None:
            return None
        digests = (hmac.digest(key, fingerprint, "sha256") for key in self._hmac_keys.values())
        is_same = any(hmac.compare_digest(stored, form) for form in (fingerprint, *digests))
        return fingerprint if is_same else None


def _hmac_key(content_key: bytes) -> bytes:
    return HKDF(SHA256(), _HMAC_KEY_BYTES, salt=None, info=_HMAC_KEY_INFO).derive(content_key)
