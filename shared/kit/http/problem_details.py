"""Problem details: errors as bodies of HTTP responses (RFC 9457, `application/problem+json`)."""

import msgspec
from msgspec import Struct

from shared.contracts.errors import INTERNAL_ERROR, ErrorCode, FieldError, ServiceError

MEDIA_TYPE = "application/problem+json"
PAGES = "/api/errors/"
"""The path below which each error code has a page, the `type` of a problem."""


class Problem(Struct, kw_only=True, rename="camel", omit_defaults=True):
    """An error. `type` is the address of its page; `errors` lists each field that breaks a rule."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    correlation_id: str
    errors: tuple[FieldError, ...] = ()


def problem_headers(error: ServiceError, body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with a problem."""
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if error.code.status == 401:
        headers.append((b"www-authenticate", _challenge(error.code)))
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    return headers


def encode_problem(error: ServiceError, instance: str, correlation_id: str) -> bytes:
    """Return the body of a problem. The detail of an internal error is not published."""
    code = error.code
    internal = code is INTERNAL_ERROR
    problem = Problem(
        type=PAGES + code.name,
        title=code.title,
        status=code.status,
        detail=code.explanation if internal else error.detail,
        instance=instance,
        code=code.name,
        correlation_id=correlation_id,
        errors=() if internal else error.errors,
    )
    try:
        return msgspec.json.encode(problem)
    except UnicodeEncodeError:  # lone surrogates, which a service accepted
        problem.detail = _replace_surrogates(problem.detail)
        problem.errors = tuple(
            FieldError(_replace_surrogates(e.path), _replace_surrogates(e.message)) for e in problem.errors
        )
        return msgspec.json.encode(problem)


def _challenge(code: ErrorCode) -> bytes:
    """Return the challenge of RFC 6750, in which a request without a token gets no error code."""
    if code.name in ("token.invalid", "token.expired"):
        return b'Bearer realm="concord", error="invalid_token"'
    return b'Bearer realm="concord"'


def _replace_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
