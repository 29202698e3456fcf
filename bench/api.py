"""Just enough of an HTTP client to set the stage: JSON in, JSON out, one kept connection a thread."""

import http.client
import json
import threading
from email.message import Message
from typing import Any


class ApiError(Exception):
    """An answer that is no 2xx; the text says which, and what may help."""


class Api:
    """Calls one Concord. May be used by several threads."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._local = threading.local()

    def call(self, method: str, path: str, *, token: str = "", body: Any = None, expected: int = 0) -> Any:
        """Send a request and return the decoded body. Raise ApiError for an unexpected status."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        encoded = None if body is None else json.dumps(body).encode()
        try:
            status, raw, _ = self._ask(method, path, encoded, headers)
        except (http.client.RemoteDisconnected, ConnectionError):
            # A kept connection that was idle for long is closed by the other side: once more on a new one.
            status, raw, _ = self._ask(method, path, encoded, headers)
        if not 200 <= status < 300 and status != expected:
            raise ApiError(_explain(method, path, status, raw))
        return json.loads(raw) if raw else None

    def limit(self, path: str, token: str) -> str:
        """Return the response's headers about the caller's limit; empty if there are none."""
        _, _, told = self._ask("GET", path, None, {"Authorization": f"Bearer {token}"})
        return told.get("RateLimit-Policy", "")

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes, Message]:
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        connection: http.client.HTTPConnection = self._local.connection
        return connection


def _explain(method: str, path: str, status: int, raw: bytes) -> str:
    text = f"{method} {path}: {status} {raw[:300].decode(errors='replace')}"
    if status == 429:
        text += "\nThe limits are on: start Concord with RATE_LIMIT_PER_MINUTE=0 to measure it."
    return text
