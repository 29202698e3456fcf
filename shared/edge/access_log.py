"""One log line for each request, in the shape of all other log lines.

Written by hand and in batches: the logging module would cost a request more than its routing does.
What stands in a line is safe as it is (patterns of routes, checked ids): no query, no header, no token.
"""

import asyncio
import sys
from collections.abc import Callable

from shared.contracts.clock import Clock
from shared.kit.clock import SystemClock

_FLUSH_AFTER_S = 0.1
_LINES_MAX = 1000


class AccessLog:
    """Gathers lines for a moment, then writes them at once."""

    def __init__(
        self,
        write: Callable[[str], object],
        service: str,
        instance: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._service = service
        self._write = write
        self._clock = clock or SystemClock()
        self._instance = f', "instance": "{instance}"' if instance else ""
        self._lines: list[str] = []

    def add(self, method: str, route: str, status: int, seconds: float, correlation_id: str) -> None:
        """A request was answered."""
        self._lines.append(
            f'{{"timestamp": "{self._clock.now().isoformat()}", "level": "INFO", "service": "{self._service}"'
            f'{self._instance}, "logger": "{self._service}.access", "message": "request", '
            f'"correlation_id": "{correlation_id}", "method": "{method}", "route": "{route}", '
            f'"status": {status}, "ms": {seconds * 1000:.2f}}}\n'
        )
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(_FLUSH_AFTER_S, self.flush)
        elif len(self._lines) >= _LINES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        lines, self._lines = self._lines, []
        if lines:
            self._write("".join(lines))


def write_out(lines: str) -> None:
    """Write to standard output, where all log lines go."""
    sys.stdout.write(lines)
    sys.stdout.flush()
