"""Who calls: the bearer token, its signature, and whether its session still stands."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from shared.contracts.account import Claims
from shared.contracts.errors import MESH_BUSY, TOKEN_INVALID, ServiceError
from shared.edge.auth.bearer import token_of
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.auth.revoked_sessions import RevokedSessions
from shared.kit.clock import epoch_s

REMEMBERED_MAX = 20_000
REMEMBERED_MAX_BYTES = 1024
"""Of one header; ours are shorter. With blanks before it, one token makes any number of long ones."""


class Verifier(Protocol):
    """Check of a token's signature and claims."""

    def verify(self, token: str) -> Claims: ...


class Authenticator:
    """Turns an `Authorization` header into claims. Headers that held are remembered, within a bound."""

    def __init__(
        self,
        verifier: Verifier,
        keys: JwksCache,
        revocations: RevokedSessions,
        now: Callable[[], float] = epoch_s,
    ) -> None:
        self._verifier = verifier
        self._keys = keys
        self._revocations = revocations
        self._now = now
        self._known: OrderedDict[bytes, Claims] = OrderedDict()
        self._generation = keys.generation
        self.caught_up = False
        """Whether all sessions revoked so far are known; set by who reads them."""

    def known(self, authorization: bytes | None) -> Claims | None:
        """The claims of a header that held before and still does; else None, and `caller` has to look."""
        claims = self._known.get(authorization or b"")
        if claims is None or claims.exp <= self._now() or claims.sid in self._revocations:
            return None
        if self._generation != self._keys.generation:
            self._known.clear()
            self._generation = self._keys.generation
            return None
        self._known.move_to_end(authorization or b"")
        return claims

    async def caller(self, authorization: bytes | None) -> Claims:
        """The claims of the caller. Raises `token.missing`, `token.invalid`, `token.expired`."""
        token = token_of(authorization)
        if not self.caught_up or self._keys.document is None:
            raise MESH_BUSY.exception("This process is starting: it can not check tokens yet.")
        try:
            claims = self._verifier.verify(token)
        except ServiceError as error:
            self._known.pop(authorization or b"", None)
            if error.kind is not TOKEN_INVALID or not await self._keys.find(token):
                raise
            claims = self._verifier.verify(token)
        if claims.sid in self._revocations:
            raise TOKEN_INVALID.exception("The session of this access token has ended.")
        self._remember(authorization or b"", claims)
        return claims

    def _remember(self, authorization: bytes, claims: Claims) -> None:
        if len(authorization) > REMEMBERED_MAX_BYTES:
            return
        self._known[authorization] = claims
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
