"""Bearer tokens in the header `Authorization` (RFC 6750)."""

import re

from shared.contracts.errors import TOKEN_INVALID, TOKEN_MISSING

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)


def token_of(authorization: bytes | None) -> str:
    """Return the token of a bearer header. Raises `token.missing` or `token.invalid`."""
    if authorization is None:
        raise TOKEN_MISSING.exception("The header `Authorization: Bearer <accessToken>` is required.")
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise TOKEN_INVALID.exception("The header `Authorization` must be `Bearer` and one token.")
    return match[1].decode("ascii")
