"""One request and what is known about it on its way, and the answer to it."""

from collections.abc import Callable
from contextvars import ContextVar

from shared.edge.correlation import correlation_id_of, traceparent_of
from shared.kit.http.asgi import Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]
HeaderPairs = tuple[tuple[bytes, bytes], ...]
TRACEPARENT = b"traceparent"


class RequestContext:
    """Made by the edge before anything else looks at a request."""

    __slots__ = (
        "correlation_id",
        "headers",
        "limit_headers",
        "network",
        "receive",
        "scope",
        "status",
        "traceparent",
    )

    def __init__(self, scope: Scope, receive: Receive, new_id: Callable[[], object]) -> None:
        self.scope = scope
        self.receive = receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.correlation_id = correlation_id_of(self.headers.get(b"x-correlation-id"), new_id)
        self.traceparent = traceparent_of(self.headers.get(TRACEPARENT))
        self.status = 0
        self.network = ""
        """Where the caller is counted, once somebody asked for it."""
        self.limit_headers: HeaderPairs = ()
        """The headers that tell the caller's limit, once it was looked at."""


current_exchange: ContextVar[RequestContext] = ContextVar("current_exchange")
"""The context of the request that this task serves: so no layer between has to hand it on."""


class Response:
    """A complete answer: an ASGI application of two messages. Litestar sends it as it is."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def respond(status: int, media_type: str, body: bytes, *headers: tuple[bytes, bytes]) -> Response:
    """An answer with a body."""
    return Response(
        status,
        [
            (b"content-type", media_type.encode("ascii")),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ],
        body,
    )
