"""Cross-origin requests (WHATWG Fetch). Cookies are not used, so no response allows credentials."""

from collections.abc import Mapping

from shared.edge.request_context import Response

_METHODS = b"GET, HEAD, POST, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = b"Authorization, Content-Type, Idempotency-Key, X-Correlation-Id, traceparent"
_EXPOSED_HEADERS = b"X-Correlation-Id, Retry-After, RateLimit, RateLimit-Policy, Location"
_PREFLIGHT_MAX_AGE_S = 600

Pairs = tuple[tuple[bytes, bytes], ...]


class Cors:
    """Answers preflights, and adds the headers that let pages of the allowed origins read a response."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)
        self._vary: Pairs = () if self._any else ((b"vary", b"Origin"),)

    def preflight(self, method: str, headers: Mapping[bytes, bytes]) -> Response | None:
        """Return the response to a preflight; None if the request is not one."""
        if method != "OPTIONS" or b"origin" not in headers or b"access-control-request-method" not in headers:
            return None
        allowed: Pairs = ()
        if self._allows(headers[b"origin"]):
            allowed = (
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _REQUEST_HEADERS),
                (b"access-control-max-age", b"%d" % _PREFLIGHT_MAX_AGE_S),
            )
        return Response(204, list(allowed))

    def headers_for(self, headers: Mapping[bytes, bytes]) -> Pairs:
        """Return the CORS headers of every response to a request with these headers."""
        origin = headers.get(b"origin")
        if origin is None or not self._allows(origin):
            return self._vary
        allowed = b"*" if self._any else origin
        return (
            *self._vary,
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
        )

    def _allows(self, origin: bytes) -> bool:
        return self._any or origin in self._origins
