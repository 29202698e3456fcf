"""uvicorn's HTTP/1.1 connection with limits; the only module that depends on private parts of uvicorn.

It forwards what happens to `ConnectionLimits`, which decides. `tests/unit/kit/http/test_uvicorn.py` pins the
source of uvicorn's class; pyproject.toml allows only the versions that were examined.
"""

from asyncio import Transport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.contracts.errors import ServiceError
from shared.kit.clock import any_id
from shared.kit.http.connection_limits import ConnectionLimits, HttpBounds
from shared.kit.http.problem_details import MEDIA_TYPE, encode_problem
from shared.kit.http.write_coalescing import JoiningTransport


class _RejectedError(Exception):
    """Raised inside the parser to stop it."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    bounds = HttpBounds()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = ConnectionLimits(self.bounds, self, self.loop)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Accept a connection, unless there are too many."""
        super().connection_made(transport)
        self.transport = cast(Transport, JoiningTransport(transport, self.loop))
        self._limits.on_connected(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection, whichever side closed it."""
        self._limits.on_disconnected()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Pause the response: much of it is unsent."""
        super().pause_writing()
        self._limits.on_writing_paused()

    def resume_writing(self) -> None:
        """Resume the response: little of it is unsent."""
        self._limits.on_writing_resumed()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse bytes, unless the connection was rejected."""
        if self._limits.rejection is None:
            self._limits.on_data(len(data))
            super().data_received(data)
            self._limits.on_parsed(len(data))

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._limits.on_request()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the head; those after a chunked body (trailers) are dropped."""
        if self._limits.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the application, unless the head is too large."""
        if not self._limits.on_head(self.url, self.headers):
            raise _RejectedError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body, unless the request is answered already."""
        if self._limits.on_body(len(body)):
            super().on_body(body)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to another protocol."""
        self.transport = cast(JoiningTransport, self.transport).raw
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Reject bytes that could not be parsed; called by uvicorn."""
        self._limits.on_unparsable()

    def is_answered(self) -> bool:
        """Return True if no request is waiting for its response."""
        return self.cycle is None or self.cycle.response_complete

    def awaits_body(self) -> bool:
        """Return True if the body of the current request is incomplete."""
        return self.cycle.more_body

    def unsent_bytes(self) -> int:
        """Return how many bytes of responses the client has not read yet."""
        return self.transport.get_write_buffer_size()

    def reject(self, error: ServiceError) -> None:
        """Respond with an error instead of the application, and close."""
        if not self.transport.is_closing():
            self.transport.write(_encode_rejection(error))
            self.transport.close()

    def close_idle(self) -> None:
        """Close, as after the keep-alive timeout."""
        self.timeout_keep_alive_handler()

    def abort(self) -> None:
        """Close without sending what is buffered."""
        self.transport.abort()


def bounded_protocol(bounds: HttpBounds) -> type[BoundedHttpProtocol]:
    """Return the protocol class with these bounds."""
    return type("Protocol", (BoundedHttpProtocol,), {"bounds": bounds})


def _encode_rejection(error: ServiceError, new_id: Callable[[], object] = any_id) -> bytes:
    correlation_id = str(new_id())
    body = encode_problem(error, "/", correlation_id)
    status = error.code.status
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        f"x-correlation-id: {correlation_id}",
        "connection: close",
    ]
    if error.code.retry_after_s is not None:
        lines.append(f"retry-after: {error.code.retry_after_s}")
    return "\r\n".join((*lines, "", "")).encode("ascii") + body
