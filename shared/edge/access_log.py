"""The access log: one JSON line for each request, beginning with the fields of all other log lines.

Lines are encoded here and written in batches, because the logging module would cost a request more than its
routing does. A line holds no secret: the pattern of the route instead of the path, and no query, header or
token.
"""

import asyncio
import sys
from collections.abc import Callable

import msgspec
from msgspec import UNSET, Struct, UnsetType

from shared.contracts.clock import Clock
from shared.kit.clock import SystemClock

_FLUSH_AFTER_S = 0.1
_LINES_MAX = 1000

_encode = msgspec.json.Encoder().encode


class AccessLine(Struct):
    """The fields of one line, in their order; `ms` is the time to the response in milliseconds."""

    timestamp: str
    level: str
    service: str
    instance: str | UnsetType
    logger: str
    message: str
    correlation_id: str
    method: str
    route: str
    status: int
    ms: float


class AccessLog:
    """Collects lines for a moment and writes them together."""

    def __init__(
        self,
        write: Callable[[str], object],
        service: str,
        instance: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._write = write
        self._service = service
        self._instance = instance or UNSET
        self._logger = f"{service}.access"
        self._clock = clock or SystemClock()
        self._lines: list[bytes] = []

    def add(self, method: str, route: str, status: int, seconds: float, correlation_id: str) -> None:
        """Add the line of a request that has its response."""
        line = AccessLine(
            self._clock.now().isoformat(),
            "INFO",
            self._service,
            self._instance,
            self._logger,
            "request",
            correlation_id,
            method,
            route,
            status,
            round(seconds * 1000, 2),
        )
        self._lines.append(_encode(line))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(_FLUSH_AFTER_S, self.flush)
        elif len(self._lines) >= _LINES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write the collected lines."""
        lines, self._lines = self._lines, []
        if lines:
            self._write((b"\n".join(lines) + b"\n").decode())


def write_out(lines: str) -> None:
    """Write to standard output, where all log lines go."""
    sys.stdout.write(lines)
    sys.stdout.flush()
