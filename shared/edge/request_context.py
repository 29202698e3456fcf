"""The context of one HTTP request, and the response to it."""

import re
from collections.abc import Callable

from shared.kit.http.asgi import Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]
HeaderPairs = tuple[tuple[bytes, bytes], ...]
TRACEPARENT = b"traceparent"

_STATE_KEY = "request_context"
_CORRELATION_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[\x21-\x7e]*)?")
_TRACEPARENT_MAX_BYTES = 255
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


class RequestContext:
    """Created by the edge for each request; handlers read it from the ASGI scope with `context_of`."""

    __slots__ = (
        "correlation_id",
        "headers",
        "limit_headers",
        "network",
        "receive",
        "received_ms",
        "scope",
        "status",
        "traceparent",
    )

    def __init__(
        self, scope: Scope, receive: Receive, new_id: Callable[[], object], received_ms: int
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.received_ms = received_ms
        """The time of the request in milliseconds since the epoch, read once when its head has arrived."""
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.correlation_id = correlation_id_of(self.headers.get(b"x-correlation-id"), new_id)
        self.traceparent = traceparent_of(self.headers.get(TRACEPARENT))
        self.status = 0
        """The status of the response; 0 until the response has started."""
        self.network = ""
        """The network that the caller is counted by; empty until `TrustedProxies` has looked it up."""
        self.limit_headers: HeaderPairs = ()
        """The headers that report the caller's rate limit; empty until the request was charged."""
        scope.setdefault("state", {})[_STATE_KEY] = self


def context_of(scope: Scope) -> RequestContext:
    """Return the context of the request with this ASGI scope."""
    context: RequestContext = scope["state"][_STATE_KEY]
    return context


def correlation_id_of(header: bytes | None, new_id: Callable[[], object]) -> str:
    """Return the caller's `X-Correlation-Id` if it is usable, otherwise a new id."""
    if header is not None and _CORRELATION_ID.fullmatch(header):
        return header.decode("ascii")
    return str(new_id())


def traceparent_of(header: bytes | None) -> str | None:
    """Return the `traceparent` to pass on; None if it is missing or invalid (W3C Trace Context)."""
    if header is None or len(header) > _TRACEPARENT_MAX_BYTES:
        return None
    match = _TRACEPARENT.fullmatch(header)
    if match is None or match[2] == _NO_TRACE or match[3] == _NO_SPAN:
        return None
    version, extension = match[1], match[4]
    if version == b"ff" or (version == b"00" and extension is not None):
        return None
    return header.decode("ascii")


class Response:
    """A complete response: an ASGI application that sends two messages. Litestar sends it unchanged."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def respond(status: int, media_type: str, body: bytes, *headers: tuple[bytes, bytes]) -> Response:
    """Return a response with a body."""
    return Response(
        status,
        [
            (b"content-type", media_type.encode("ascii")),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ],
        body,
    )
