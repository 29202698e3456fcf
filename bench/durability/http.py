"""One HTTP/1.1 connection at a time to one of several gateways; nothing is sent twice by itself."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from bench.answers import answer_length, body_of, status_of

ANSWER_TIMEOUT_S = 20.0
"""Longer than a call's deadline: a gateway that lives answers before."""
_READ_BYTES = 65_536
_ANSWER_MAX_BYTES = 16 * 1024 * 1024
"""More than the largest page."""

NO_ANSWER = 0
"""The status of a request whose connection broke, or that was never answered."""


class Line:
    """Speaks to the gateway in use; after a failure to the next one."""

    def __init__(self, ports: Sequence[int], first: int = 0) -> None:
        self._ports = ports
        self._at = first % len(ports)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, token: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of the answer; `NO_ANSWER` when there is none."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = self._streams or await self._connect()
                writer.write(head.encode() + b"\r\n" + body)
                return await _read_answer(reader)
        except (OSError, EOFError, TimeoutError, ValueError):
            await self.turn()
            return NO_ANSWER, b""

    async def turn(self) -> None:
        """Hang up, and use the next gateway from now on."""
        await self.close()
        self._at = (self._at + 1) % len(self._ports)

    async def close(self) -> None:
        """Hang up."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(streams[1].wait_closed(), 1)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection("127.0.0.1", self._ports[self._at])
        return self._streams


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a response. Raise EOFError if it is cut off, ValueError if it is malformed or too large."""
    received = b""
    while (length := answer_length(received)) is None or len(received) < length:
        more = await reader.read(_READ_BYTES)
        if not more:
            raise EOFError
        received += more
        if len(received) > _ANSWER_MAX_BYTES:
            raise ValueError("the answer is too large")
    return int(status_of(received)), body_of(received)
