"""The content of messages at rest: as it is or, when keys are set, encrypted (ADR 13).

AES-256-GCM with a random nonce of 96 bits, bound to the message's channel and id: whoever can write to the
database can neither read a content nor put it under another message.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apps.message.domain.content_keys import read_keys

_NONCE_BYTES = 12


class ContentUnreadable(Exception):
    """A stored content can not be opened: its key is not set, or it was changed in the database."""


class Contents:
    """Closes contents with the first of these keys (`id:base64`), opens them with any; without keys, neither.

    Raises ValueError for what are no keys, or for an id that comes twice.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._ciphers = {name: AESGCM(raw) for name, raw in read_keys(keys).items()}
        self._first = next(iter(self._ciphers), None)

    def close(self, channel_id: UUID, message_id: UUID, content: str) -> tuple[str, str | None]:
        """What is stored as the content, and the id of its key; null for one as it is."""
        name = self._first
        if name is None:
            return content, None
        nonce = secrets.token_bytes(_NONCE_BYTES)
        closed = self._ciphers[name].encrypt(nonce, content.encode(), channel_id.bytes + message_id.bytes)
        return b64encode(nonce + closed).decode("ascii"), name

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
