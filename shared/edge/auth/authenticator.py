"""Authentication of requests by bearer token: its signature, its expiry, and its session."""

from collections import OrderedDict
from typing import Protocol

from shared.contracts.account import Claims
from shared.contracts.errors import MESH_BUSY, TOKEN_INVALID, ServiceError
from shared.edge.auth.bearer import token_of
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.auth.revoked_sessions import RevokedSessions
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.request_context import RequestContext

CACHED_MAX = 20_000
CACHED_MAX_BYTES = 1024
"""Longer headers are not cached: with spaces before it, one token makes any number of long headers."""


class Verifier(Protocol):
    """Check of a token's signature and claims."""

    def verify(self, token: str) -> Claims: ...


class Authenticator:
    """Turns an `Authorization` header into claims, and caches those of valid headers, within a bound."""

    def __init__(self, verifier: Verifier, keys: JwksCache, revocations: RevokedSessions) -> None:
        self._verifier = verifier
        self._keys = keys
        self._revocations = revocations
        self._cache: OrderedDict[bytes, Claims] = OrderedDict()
        self._generation = keys.generation
        self.caught_up = False
        """True once all sessions revoked so far have been read; set by their reader."""

    async def authenticate(self, context: RequestContext, limits: RateLimits) -> Claims:
        """Return the claims of the caller, and charge the request to its profile.

        Raises `token.missing`, `token.invalid`, `token.expired`, `rate.limited`.
        """
        claims = self.cached_claims(context)
        if claims is not None:
            limits.charge(claims.sub, context)
            return claims
        with limits.charge_provisionally(context):
            claims = await self._verify(context)
            limits.charge(claims.sub, context)
        return claims

    async def authenticate_uncharged(self, context: RequestContext) -> Claims:
        """Return the claims of a caller whose request a gateway has charged already.

        Raises `token.missing`, `token.invalid`, `token.expired`.
        """
        return self.cached_claims(context) or await self._verify(context)

    def cached_claims(self, context: RequestContext) -> Claims | None:
        """Return the claims of a header that was valid before and still is; None if it has to be verified."""
        authorization = context.headers.get(b"authorization", b"")
        claims = self._cache.get(authorization)
        if claims is None or claims.exp * 1000 <= context.received_ms or claims.sid in self._revocations:
            return None
        if self._generation != self._keys.generation:
            self._cache.clear()
            self._generation = self._keys.generation
            return None
        self._cache.move_to_end(authorization)
        return claims

    async def _verify(self, context: RequestContext) -> Claims:
        authorization = context.headers.get(b"authorization")
        token = token_of(authorization)
        if not self.caught_up or self._keys.document is None:
            raise MESH_BUSY.exception("This process is starting and cannot verify tokens yet.")
        try:
            claims = self._verifier.verify(token)
        except ServiceError as error:
            self._cache.pop(authorization or b"", None)
            if error.code is not TOKEN_INVALID or not await self._keys.refresh_for(token):
                raise
            claims = self._verifier.verify(token)
        if claims.sid in self._revocations:
            raise TOKEN_INVALID.exception("The session of this access token has ended.")
        self._add_to_cache(authorization or b"", claims)
        return claims

    def _add_to_cache(self, authorization: bytes, claims: Claims) -> None:
        if len(authorization) > CACHED_MAX_BYTES:
            return
        self._cache[authorization] = claims
        if len(self._cache) > CACHED_MAX:
            self._cache.popitem(last=False)
