"""Who comes in at a port for clients: what is needed to check tokens in place, kept up to date."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.contracts.account import Claims
from shared.contracts.clock import Clock
from shared.edge.auth.authenticator import Authenticator
from shared.edge.auth.jwks_cache import Caller, JwksCache
from shared.edge.auth.revoked_sessions import RevokedSessions
from shared.edge.rate_limits.policies import RateLimits
from shared.edge.request_context import RequestContext
from shared.edge.settings import EdgeSettings
from shared.kit.events.tail import TopicTailer
from shared.kit.health.checks import Health
from shared.kit.security.access_tokens import TokenVerifier
from shared.kit.security.record_signatures import RecordSigner

_SWEEP_INTERVAL_S = 60.0


class TokenVerification:
    """The keys of auth, the sessions that were ended, and what checks tokens by both."""

    def __init__(
        self,
        settings: EdgeSettings,
        caller: Caller,
        health: Health,
        options: Mapping[str, Any],
        signatures: RecordSigner,
        clock: Clock,
    ) -> None:
        self._revoked = health.component("revocations")
        self.keys = JwksCache(caller, health.component("keys"), settings.keys_refresh_s)
        ttl = timedelta(seconds=settings.access_token_ttl_s)
        self.revocations = RevokedSessions(clock, ttl, settings.revocations_max)
        verifier = TokenVerifier(self.keys.by_kid, settings.token_issuer, settings.token_audience, clock)
        self.authenticator = Authenticator(verifier, self.keys, self.revocations)
        self._tail = TopicTailer(
            options,
            "user-events",
            signatures,
            lambda: self.revocations.since,
            self.revocations.hear,
            self._caught_up,
            self._revoked.down,
        )

    async def follow(self) -> None:
        """Follow what changes, until it is cancelled."""
        await asyncio.gather(self.keys.follow(), self._tail.follow(), self._sweep())

    def _caught_up(self) -> None:
        self.authenticator.caught_up = True
        self._revoked.ready()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self.revocations.sweep()


async def caller_of(context: RequestContext, authenticator: Authenticator, limits: RateLimits) -> Claims:
    """Whose token a request carries; the request is counted for that profile.

    Raises `token.missing`, `token.invalid`, `token.expired`, `rate.limited`.
    """
    authorization = context.headers.get(b"authorization")
    claims = authenticator.cached_claims(authorization)
    if claims is None:
        with limits.charge_provisionally(context):
            claims = await authenticator.authenticate(authorization)
            limits.charge(claims.sub, context)
    else:
        limits.charge(claims.sub, context)
    return claims
