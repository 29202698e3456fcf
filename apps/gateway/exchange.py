"""One request and what is known about it on its way through the gateway, and the answer to it."""

from collections.abc import Callable
from typing import cast

from litestar.types import HTTPScope, Message, Receive, Scope, Send

from apps.gateway.correlation import correlation_id_of, traceparent_of

Headers = list[tuple[bytes, bytes]]

EXCHANGE = "concord"
"""Where the exchange lies in the ASGI scope."""


class Exchange:
    """Made by the edge before anything else looks at a request."""

    __slots__ = ("correlation_id", "headers", "status", "traceparent")

    def __init__(self, scope: HTTPScope, new_id: Callable[[], object]) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.correlation_id = correlation_id_of(self.headers.get(b"x-correlation-id"), new_id)
        self.traceparent = traceparent_of(self.headers.get(b"traceparent"))
        self.status = 0


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request that came through the edge."""
    return cast(Exchange, scope[EXCHANGE])  # type: ignore[literal-required]


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


__all__ = ["EXCHANGE", "Exchange", "Headers", "Message", "Response", "exchange_of", "respond"]
