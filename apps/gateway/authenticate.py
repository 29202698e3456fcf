"""Who calls: the bearer token, its signature, and whether its session still stands."""

import re
from typing import Protocol

from apps.gateway.keys import Keys
from apps.gateway.revocations import Revocations
from shared.contracts.account import Claims
from shared.contracts.errors import MESH_BUSY, TOKEN_INVALID, TOKEN_MISSING, MeshError

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)


class Verifier(Protocol):
    """Checks a token's signature and claims; `shared.kit.tokens.TokenVerifier` in production."""

    def verify(self, token: str) -> Claims: ...


class Authenticator:
    """Turns an `Authorization` header into claims. What was verified is remembered by the verifier."""

    def __init__(self, verifier: Verifier, keys: Keys, revocations: Revocations) -> None:
        self._verifier = verifier
        self._keys = keys
        self._revocations = revocations
        self.caught_up = False
        """Whether all sessions revoked so far are known; set by who reads them."""

    async def caller(self, authorization: bytes | None) -> Claims:
        """The claims of the caller. Raises `token.missing`, `token.invalid`, `token.expired`."""
        token = token_of(authorization)
        if not self.caught_up or self._keys.document is None:
            raise MESH_BUSY.error("The gateway is starting: it can not check tokens yet.")
        try:
            claims = self._verifier.verify(token)
        except MeshError as error:
            if error.kind is not TOKEN_INVALID or not await self._keys.find(token):
                raise
            claims = self._verifier.verify(token)
        if claims.sid in self._revocations:
            raise TOKEN_INVALID.error("The session of this access token has ended.")
        return claims


def token_of(authorization: bytes | None) -> str:
    """The token of a bearer header (RFC 6750). Raises `token.missing` or `token.invalid`."""
    if authorization is None:
        raise TOKEN_MISSING.error("The header `Authorization: Bearer <accessToken>` is needed.")
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise TOKEN_INVALID.error("The header `Authorization` must be `Bearer` and one token.")
    return found[1].decode("ascii")
