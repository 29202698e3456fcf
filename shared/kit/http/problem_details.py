"""Problems: errors as the body of an HTTP answer (RFC 9457, `application/problem+json`)."""

import msgspec
from msgspec import Struct

from shared.contracts.errors import INTERNAL_ERROR, ErrorCode, FieldError, ServiceError

MEDIA_TYPE = "application/problem+json"
PAGES = "/api/errors/"
"""Below it, each code has a page that explains it: the `type` of a problem."""


class Problem(Struct, kw_only=True, rename="camel", omit_defaults=True):
    """What went wrong. `type` is the address of an explanation; `errors` lists all that breaks a rule."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    correlation_id: str
    errors: tuple[FieldError, ...] = ()


def problem_headers(error: ServiceError, body: bytes) -> list[tuple[bytes, bytes]]:
    """What goes with the body of a problem."""
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if error.kind.status == 401:
        headers.append((b"www-authenticate", _challenge(error.kind)))
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    return headers


def encode_problem(error: ServiceError, instance: str, correlation_id: str) -> bytes:
    """The body of a problem. What went wrong inside the program is not told to anyone outside."""
    kind = error.kind
    inside = kind is INTERNAL_ERROR
    problem = Problem(
        type=PAGES + kind.code,
        title=kind.title,
        status=kind.status,
        detail=kind.explanation if inside else error.detail,
        instance=instance,
        code=kind.code,
        correlation_id=correlation_id,
        errors=() if inside else error.errors,
    )
    try:
        return msgspec.json.encode(problem)
    except UnicodeEncodeError:  # lone surrogates, from a service that let them pass
        problem.detail = _sane(problem.detail)
        problem.errors = tuple(FieldError(_sane(e.path), _sane(e.message)) for e in problem.errors)
        return msgspec.json.encode(problem)


def _challenge(kind: ErrorCode) -> bytes:
    """RFC 6750: a request without any token gets no error code."""
    if kind.code in ("token.invalid", "token.expired"):
        return b'Bearer realm="concord", error="invalid_token"'
    return b'Bearer realm="concord"'


def _sane(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
