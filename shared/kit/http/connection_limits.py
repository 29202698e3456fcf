"""The limits of an HTTP/1.1 connection: counters, timers and decisions, without the server that applies them.

The address and headers of a request are limited in size and in time, its body in time, open connections in
number. After the response, the rest of the body is discarded up to a limit.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Sequence
from itertools import chain
from typing import Protocol

from msgspec import Struct

from shared.contracts.errors import (
    BODY_MALFORMED,
    HEADERS_TOO_LARGE,
    MESH_BUSY,
    REQUEST_MALFORMED,
    ServiceError,
)

_HEADERS_MAX = 100
_DISCARDED_MAX_BYTES = 2 * 1024 * 1024
_UPLOAD_DISCARDED_MAX_BYTES = 32 * 1024 * 1024
"""Many clients read the response to an upload only after they have sent all of it."""
_DISCARDED_FOR_S = 60.0
"""After the response the rest of the body is discarded for at most this long; otherwise an unauthenticated
client could hold the connection for the whole upload timeout."""
_READ_INTERVAL_S = 60.0
"""A client must read some of a long response in this time; otherwise it could stay in memory indefinitely."""


class HttpBounds(Struct, frozen=True, kw_only=True):
    """The limits that are configured."""

    connections_max: int = 10_000
    head_max_bytes: int = 32_768
    head_timeout_ms: int = 10_000
    body_timeout_ms: int = 10_000
    upload_path: bytes = b""
    """The one path whose bodies are large and may take longer."""
    upload_timeout_ms: int = 600_000


class Connection(Protocol):
    """The connection as its limits see it."""

    def is_answered(self) -> bool:
        """Return True if no request is waiting for its response."""
        ...

    def awaits_body(self) -> bool:
        """Return True if the body of the current request is incomplete."""
        ...

    def unsent_bytes(self) -> int:
        """Return how many bytes of responses the client has not read yet."""
        ...

    def reject(self, error: ServiceError) -> None:
        """Respond with an error instead of the application, and close."""
        ...

    def close_idle(self) -> None:
        """Close, as after the keep-alive timeout."""
        ...

    def abort(self) -> None:
        """Close without sending what is buffered."""
        ...


class ConnectionLimits:
    """The state of one connection. `rejection` is the error with which it was rejected."""

    read_interval_s = _READ_INTERVAL_S
    discarded_for_s = _DISCARDED_FOR_S

    def __init__(self, bounds: HttpBounds, connection: Connection, loop: AbstractEventLoop) -> None:
        self.rejection: ServiceError | None = None
        self._bounds = bounds
        self._connection = connection
        self._loop = loop
        self._in_head = False
        self._head_bytes = 0
        self._unparsed_bytes = 0
        """Bytes since the last part of a body: of a head, or around chunks."""
        self._discarded_bytes = 0
        self._discarded_max_bytes = _DISCARDED_MAX_BYTES
        self._body_timeout_s = 0.0
        self._deadline: TimerHandle | None = None
        self._read_check: TimerHandle | None = None

    def on_connected(self, open_connections: int) -> None:
        """Reject a connection too many; give a new one its time to send a head."""
        if open_connections > self._bounds.connections_max:
            self._reject(MESH_BUSY.exception("Too many connections are open."))
        else:
            self._set_deadline(self._bounds.head_timeout_ms / 1000)

    def on_disconnected(self) -> None:
        """Cancel all timers."""
        self._clear_deadline()
        self.on_writing_resumed()

    def on_data(self, size: int) -> None:
        """Count bytes before they are parsed."""
        self._unparsed_bytes += size

    def on_parsed(self, size: int) -> None:
        """Decide after `size` bytes were parsed: limit the head, or wait for the body."""
        if not self._in_head and self._unparsed_bytes > self._bounds.head_max_bytes:
            self._reject_framing()
        elif self._in_head:
            self._head_bytes += size
            if self._head_bytes > self._bounds.head_max_bytes:
                self._reject(self._head_too_large())
            elif self._deadline is None:
                self._set_deadline(self._bounds.head_timeout_ms / 1000)
        elif not self._connection.is_answered():
            if not self._connection.awaits_body():
                self._clear_deadline()
            elif self._deadline is None:
                self._set_deadline(self._body_timeout_s)

    def on_request(self) -> None:
        """Note that the head of a request begins."""
        self._in_head = True
        self._head_bytes = 0

    @property
    def in_head(self) -> bool:
        """True while a head is parsed; the headers after a chunked body (trailers) belong to none."""
        return self._in_head

    def on_head(self, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Return False if a complete head is too large; `rejection` is the error then."""
        self._in_head = False
        self._clear_deadline()
        size = len(url) + sum(map(len, chain.from_iterable(headers)))
        if size > self._bounds.head_max_bytes or len(headers) > _HEADERS_MAX:
            self.rejection = self._head_too_large()
            return False
        self._discarded_bytes = self._unparsed_bytes = 0
        path = url.partition(b"?")[0].rstrip(b"/")
        is_upload = path == self._bounds.upload_path and path != b""
        self._discarded_max_bytes = _UPLOAD_DISCARDED_MAX_BYTES if is_upload else _DISCARDED_MAX_BYTES
        timeout_ms = self._bounds.upload_timeout_ms if is_upload else self._bounds.body_timeout_ms
        self._body_timeout_s = timeout_ms / 1000
        return True

    def on_body(self, size: int) -> bool:
        """Return False if a part of a body is to be discarded, because the request is answered already."""
        self._unparsed_bytes = 0
        if not self._connection.is_answered():
            return True
        if self._discarded_bytes == 0:
            self._clear_deadline()
            self._set_deadline(min(self._body_timeout_s, self.discarded_for_s))
        self._discarded_bytes += size
        if self._discarded_bytes > self._discarded_max_bytes:
            self._connection.abort()
        return False

    def on_unparsable(self) -> None:
        """Reject bytes that the parser could not parse."""
        self._reject(self.rejection or REQUEST_MALFORMED.exception("What was sent is not valid HTTP/1.1."))

    def on_writing_paused(self) -> None:
        """Watch from now on that the client reads."""
        unsent = self._connection.unsent_bytes()
        self._read_check = self._loop.call_later(self.read_interval_s, self._check_reading, unsent)

    def on_writing_resumed(self) -> None:
        """Stop watching: little is unsent."""
        if self._read_check is not None:
            self._read_check.cancel()
            self._read_check = None

    def _check_reading(self, unsent_before: int) -> None:
        if self._connection.unsent_bytes() >= unsent_before:
            self._connection.abort()
        else:
            self.on_writing_paused()

    def _reject(self, error: ServiceError) -> None:
        self.rejection = error
        self._connection.reject(error)

    def _reject_framing(self) -> None:
        """Reject chunk extensions or trailers without an end: the parser would keep them all."""
        if self._connection.is_answered():
            self._connection.abort()
        else:
            text = "A body has more around its chunks than a head may have."
            self._reject(REQUEST_MALFORMED.exception(text))

    def _set_deadline(self, seconds: float) -> None:
        """End the connection unless a whole head or body arrives in this time."""
        self._deadline = self._loop.call_later(seconds, self._on_deadline)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        if self._in_head or self._connection.is_answered():
            self._connection.close_idle()
        else:
            text = f"The body did not arrive within {self._body_timeout_s:g} s."
            self._reject(BODY_MALFORMED.exception(text))

    def _head_too_large(self) -> ServiceError:
        return HEADERS_TOO_LARGE.exception(
            f"Address and headers together may be at most {self._bounds.head_max_bytes} bytes "
            f"and {_HEADERS_MAX} headers."
        )
