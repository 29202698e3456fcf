"""Fingerprint of an upload, by which a repeated one is recognised."""

import asyncio
from hashlib import sha256

import msgspec

from apps.file.domain.types import OPAQUE, canonical
from apps.file.ports import IncomingUpload


class HashingReader:
    """An upload that is hashed as it is read.

    It hashes in a thread, because a part takes milliseconds: hashlib releases the GIL meanwhile.
    """

    def __init__(self, incoming: IncomingUpload) -> None:
        self.channel_id = incoming.channel_id
        self.name = incoming.name
        self.content_type = incoming.content_type
        self.size_max = incoming.size_max
        self._incoming = incoming
        self._digest = sha256()

    async def read(self, size: int) -> bytes:
        """Return the next bytes."""
        piece = await self._incoming.read(size)
        await asyncio.to_thread(self._digest.update, piece)
        return piece

    def fingerprint(self) -> bytes:
        """Return the channel, name, type, and SHA-256 of all bytes read, as unambiguous JSON.

        It does not cover the form itself: a client that sends it again chooses another boundary.
        """
        content_type = canonical(self.content_type) or OPAQUE
        return msgspec.json.encode([self.channel_id, self.name, content_type, self._digest.hexdigest()])
