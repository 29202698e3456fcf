"""Reader of JSON bodies, bounded in size; the HTTP connection bounds the time."""

import re
from collections.abc import Mapping

from litestar.types import Receive

from shared.contracts.errors import BODY_MALFORMED, BODY_TOO_LARGE, MEDIA_TYPE_UNSUPPORTED, ServiceError

# Possessive quantifiers (`*+`): no backtracking over white space, so no header makes the match slow.
_JSON = re.compile(
    rb"\s*+application/(?:json|[a-z0-9!#$&^_.+-]{1,100}\+json)\s*+"
    rb"(?:;\s*+charset\s*+=\s*+\"?utf-?8\"?\s*+)?;?\s*+",
    re.IGNORECASE,
)


async def read_json(headers: Mapping[bytes, bytes], receive: Receive, max_bytes: int) -> bytes:
    """Return the bytes of a JSON body.

    Raises `body.too_large`, `media_type.unsupported`, or `body.malformed` if it is empty or cut off. Nothing
    beyond the bound is read; the server discards the rest (shared/kit/http/protocol.py).
    """
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > max_bytes:
        raise _too_large(max_bytes)
    content_type = headers.get(b"content-type")
    if content_type != b"application/json" and (content_type is None or not _JSON.fullmatch(content_type)):
        if length == b"0" or (length is None and b"transfer-encoding" not in headers):
            raise _empty()
        raise MEDIA_TYPE_UNSUPPORTED.exception(
            "The header `Content-Type` must be `application/json`, in UTF-8."
        )
    body = await _read(receive, max_bytes)
    if not body:
        raise _empty()
    return body


async def _read(receive: Receive, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BODY_MALFORMED.exception("The connection ended before the body did.")
        part = message["body"]
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if not message.get("more_body", False):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)


def _too_large(max_bytes: int) -> ServiceError:
    return BODY_TOO_LARGE.exception(f"The body may be at most {max_bytes} bytes.")


def _empty() -> ServiceError:
    return BODY_MALFORMED.exception("The body is empty; a JSON object is required.")
