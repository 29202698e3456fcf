"""The HTTP/1.1 connection: uvicorn's, with the bounds that it lacks.

A request's address and headers are bounded in size and in time, open connections in number, and what
still comes of a body after its answer is let fall only up to a bound. What is no HTTP gets a problem too.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from http import HTTPStatus
from itertools import chain
from typing import Any, cast

from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.contracts.errors import (
    BODY_MALFORMED,
    HEADERS_TOO_LARGE,
    MESH_BUSY,
    REQUEST_MALFORMED,
    ServiceError,
)
from shared.kit.clock import any_id
from shared.kit.http.problem_details import MEDIA_TYPE, encode_problem
from shared.kit.http.write_coalescing import JoiningTransport

_HEADERS_MAX = 100
_DISCARDED_MAX_BYTES = 2 * 1024 * 1024
_UPLOAD_DISCARDED_MAX_BYTES = 32 * 1024 * 1024
"""Many clients read the answer to an upload only when they have sent all of it."""
_DISCARDED_FOR_S = 60.0
"""Who was answered, even without a token, would else hold a connection for as long as an upload may take."""
_READ_INTERVAL_S = 60.0
"""Of a long answer something is read in that time; else it would be kept as long as its caller likes."""


class _RefusedError(Exception):
    """Raised inside the parser, so that it stops."""


class HttpBounds(Struct, frozen=True, kw_only=True):
    """What a connection may ask of us."""

    connections_max: int = 10_000
    head_max_bytes: int = 32_768
    head_timeout_ms: int = 10_000
    body_timeout_ms: int = 10_000
    upload_path: bytes = b""
    """The one path whose bodies are large and may take longer."""
    upload_timeout_ms: int = 600_000


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    bounds = HttpBounds()
    read_interval_s = _READ_INTERVAL_S
    discarded_for_s = _DISCARDED_FOR_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_bytes = 0
        self._between_bytes = 0
        self._discarded_bytes = 0
        self._discarded_max_bytes = _DISCARDED_MAX_BYTES
        self._body_timeout_s = 0.0
        self._refusal: ServiceError | None = None
        self._deadline: TimerHandle | None = None
        self._reading: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Too many connections get an answer and are closed; a silent one is closed in time."""
        super().connection_made(transport)
        self.transport = cast(Transport, JoiningTransport(transport, self.loop))
        if len(self.connections) > self.bounds.connections_max:
            self._refuse(MESH_BUSY.exception("Too many connections are open."))
        else:
            self._set_deadline(self.bounds.head_timeout_ms / 1000)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, by whoever's will."""
        self._unset_deadline()
        self._unwatch_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More of an answer waits to be read than is good: from now on it has to become less."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """What waits to be read is little again."""
        self._unwatch_reading()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse; a head that does not end is refused."""
        if self._refusal is not None:
            return
        self._between_bytes += len(data)
        super().data_received(data)
        if not self._in_head and self._between_bytes > self.bounds.head_max_bytes:
            self._refuse_what_is_no_body()
        elif self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.bounds.head_max_bytes:
                self._refuse(self._head_too_large())
            elif self._deadline is None:
                self._set_deadline(self.bounds.head_timeout_ms / 1000)
        elif self.cycle is not None and not self.cycle.response_complete:
            self._await_body()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the head. Those behind a chunked body (trailers) nobody reads, and nothing keeps."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there: look at their size before anything is done for them."""
        self._in_head = False
        self._unset_deadline()
        size = len(self.url) + sum(map(len, chain.from_iterable(self.headers)))
        if size > self.bounds.head_max_bytes or len(self.headers) > _HEADERS_MAX:
            self._refusal = self._head_too_large()
            raise _RefusedError
        self._discarded_bytes = self._between_bytes = 0
        self._body_timeout_s = self._time_for_body()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body; once the request is answered it is let fall, up to a bound."""
        self._between_bytes = 0
        if not self.cycle.response_complete:
            super().on_body(body)
            return
        if self._discarded_bytes == 0:
            self._unset_deadline()
            self._set_deadline(min(self._body_timeout_s, self.discarded_for_s))
        self._discarded_bytes += len(body)
        if self._discarded_bytes > self._discarded_max_bytes:
            self.transport.abort()

    def handle_websocket_upgrade(self) -> None:
        """From now on it is another protocol's connection."""
        self.transport = cast(JoiningTransport, self.transport).raw
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what can not be parsed."""
        self._refuse(self._refusal or REQUEST_MALFORMED.exception("What was sent is not valid HTTP/1.1."))

    def _refuse(self, error: ServiceError) -> None:
        """Answer without the application, and close."""
        self._refusal = error
        if not self.transport.is_closing():
            self.transport.write(_refusal_of(error))
            self.transport.close()

    def _refuse_what_is_no_body(self) -> None:
        """Chunks' extensions and trailers go on without an end: the parser would keep them all."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:
            self._refuse(
                REQUEST_MALFORMED.exception("A body has more around its chunks than a head may have.")
            )

    def _await_body(self) -> None:
        """A body that is not here yet gets its time, from its head on."""
        if not self.cycle.more_body:
            self._unset_deadline()
        elif self._deadline is None:
            self._set_deadline(self._body_timeout_s)

    def _time_for_body(self) -> float:
        path = self.url.partition(b"?")[0].rstrip(b"/")
        is_upload = path == self.bounds.upload_path and path != b""
        self._discarded_max_bytes = _UPLOAD_DISCARDED_MAX_BYTES if is_upload else _DISCARDED_MAX_BYTES
        return (self.bounds.upload_timeout_ms if is_upload else self.bounds.body_timeout_ms) / 1000

    def _set_deadline(self, seconds: float) -> None:
        """The connection ends unless what it waits for, a whole head or body, comes until then."""
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete and not self._in_head:
            self._refuse(
                BODY_MALFORMED.exception(f"The body did not arrive within {self._body_timeout_s:g} s.")
            )
        else:
            self.timeout_keep_alive_handler()

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_reading(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(self.read_interval_s, self._look_at_reading, waiting)

    def _look_at_reading(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() >= waited:
            self.transport.abort()
        else:
            self._watch_reading()

    def _unwatch_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _head_too_large(self) -> ServiceError:
        return HEADERS_TOO_LARGE.exception(
            f"Address and headers together may be at most {self.bounds.head_max_bytes} bytes "
            f"and {_HEADERS_MAX} headers."
        )


def bounded_protocol(bounds: HttpBounds) -> type[BoundedHttpProtocol]:
    """The protocol with these bounds."""
    return type("Protocol", (BoundedHttpProtocol,), {"bounds": bounds})


def _refusal_of(error: ServiceError, new_id: Callable[[], object] = any_id) -> bytes:
    correlation_id = str(new_id())
    body = encode_problem(error, "/", correlation_id)
    status = error.kind.status
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        f"x-correlation-id: {correlation_id}",
        "connection: close",
    ]
    if error.kind.retry_after_s is not None:
        lines.append(f"retry-after: {error.kind.retry_after_s}")
    return "\r\n".join((*lines, "", "")).encode("ascii") + body
