"""Writes the head and the body of an answer with one system call, and so in one packet, not two."""

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "
_HELD_MAX_BYTES = 16_384


class JoiningTransport:
    """A transport that keeps an answer's head until its body comes, or until the loop's next turn."""

    __slots__ = ("_held", "_loop", "raw")

    def __init__(self, raw: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.raw = raw
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Write, or keep for a moment what a body follows."""
        if self._held:
            self.raw.write(self._held + data)
            self._held = b""
        elif data.startswith(_HEAD) and len(data) <= _HELD_MAX_BYTES:
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self.raw.write(data)

    def close(self) -> None:
        """Close, after what was kept is written."""
        self._flush()
        self.raw.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def _flush(self) -> None:
        if self._held:
            self.raw.write(self._held)
            self._held = b""
