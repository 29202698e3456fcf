"""What was meant by an upload, so that it is known again when it is repeated."""

import asyncio
from hashlib import sha256

import msgspec

from apps.file.domain.types import OPAQUE, canonical
from apps.file.ports import Incoming


class HashingReader:
    """A file that is being sent to us, digested as it is read.

    In a thread, because a part takes milliseconds: hashlib lets the loop run meanwhile.
    """

    def __init__(self, incoming: Incoming) -> None:
        self.channel_id = incoming.channel_id
        self.name = incoming.name
        self.content_type = incoming.content_type
        self.size_max = incoming.size_max
        self._incoming = incoming
        self._digest = sha256()

    async def read(self, size: int) -> bytes:
        """The next bytes."""
        piece = await self._incoming.read(size)
        await asyncio.to_thread(self._digest.update, piece)
        return piece

    def meant(self) -> bytes:
        """Where to, under which name, as what, and the SHA-256 of all bytes that were read.

        Not the form itself: whoever sends it again chooses another boundary. In JSON no two of these look
        the same.
        """
        content_type = canonical(self.content_type) or OPAQUE
        return msgspec.json.encode([self.channel_id, self.name, content_type, self._digest.hexdigest()])
