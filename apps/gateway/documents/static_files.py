"""Responses that do not change while the process runs: held in memory, with an ETag, compressed once."""

import gzip
import mimetypes
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from shared.edge.request_context import Headers, RequestContext, Response

_COMPRESSED_FROM_BYTES = 1024
_COMPRESSED_TYPES = ("text/", "application/json", "image/svg")

mimetypes.add_type("font/woff2", ".woff2")


class StaticFile:
    """One document and its response headers."""

    def __init__(
        self,
        body: bytes,
        media_type: str,
        cache: str = "no-cache",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self._body = body
        self._media_type = media_type
        self._etag = b'"' + sha256(body).hexdigest()[:32].encode() + b'"'
        self._common = ((b"cache-control", cache.encode()), (b"etag", self._etag), *headers)

    async def respond(self, context: RequestContext) -> Response:
        """Return the document, or 304 if the caller has this version (RFC 9110, 13.1.2)."""
        request_headers = context.headers
        if self._etag in request_headers.get(b"if-none-match", b""):
            return Response(304, list(self._common))
        headers: Headers = [(b"content-type", self._media_type.encode()), *self._common]
        body = self._body
        if self._is_compressible:
            headers.append((b"vary", b"Accept-Encoding"))
            if b"gzip" in request_headers.get(b"accept-encoding", b""):
                headers.append((b"content-encoding", b"gzip"))
                body = self._compressed
        headers.append((b"content-length", b"%d" % len(body)))
        return Response(200, headers, body)

    @property
    def _is_compressible(self) -> bool:
        return len(self._body) >= _COMPRESSED_FROM_BYTES and self._media_type.startswith(_COMPRESSED_TYPES)

    @cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self._body, 6)


def read_static(path: Path, cache: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> StaticFile:
    """Read a file; its media type follows from its name."""
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return StaticFile(path.read_bytes(), media_type, cache, headers)
