"""Many clients that send requests at the same moment, and the memory of the process."""

import asyncio
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

CONNECTING = 500
"""Connections that are opened at once: a listening socket's queue is short."""
OPENING_S = 5
"""A client that sends nothing for `HEAD_TIMEOUT_MS` (10 s) is cut off."""


class Client:
    """One connection that sends one request on command."""

    def __init__(self, port: int, request: bytes, gate: asyncio.Event) -> None:
        self._port = port
        self._request = request
        self._gate = gate
        self.is_open = False

    async def ask(self, connecting: asyncio.Semaphore) -> tuple[int, bytes]:
        """Return the status and head of the response; 0 if the connection was closed without one."""
        async with connecting:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.is_open = True
        await self._gate.wait()
        try:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head[9:12]), head.lower()
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0, b""
        finally:
            writer.close()


async def all_at_once(port: int, requests: Sequence[bytes], timeout_s: float) -> list[tuple[int, bytes]]:
    """Send each request on its own connection, when all are open, or most of them after a while."""
    gate, connecting = asyncio.Event(), asyncio.Semaphore(CONNECTING)
    clients = [Client(port, request, gate) for request in requests]
    asking = [asyncio.create_task(client.ask(connecting)) for client in clients]
    opened_by = time.monotonic() + OPENING_S
    while not all(client.is_open for client in clients) and time.monotonic() < opened_by:
        await asyncio.sleep(0.05)
    gate.set()
    async with asyncio.timeout(timeout_s):
        return await asyncio.gather(*asking)


def open_files(count: int) -> None:
    """Raise the limit of open files to `count` connections; skip the test where that is not allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < count:
        pytest.skip(f"a process may have {most} open files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, most))


def size_mib(pid: int, name: str = "VmRSS") -> float:
    """Return the memory of a process; `VmHWM` is its peak."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
