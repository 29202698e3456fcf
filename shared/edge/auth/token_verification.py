"""Verification of access tokens within a process: the public keys and revoked sessions, kept up to date."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.contracts.clock import Clock
from shared.edge.auth.authenticator import Authenticator
from shared.edge.auth.jwks_cache import JwksCache
from shared.edge.auth.revoked_sessions import RevokedSessions
from shared.edge.settings import EdgeSettings
from shared.kit.events.tail import TopicTailer
from shared.kit.health.checks import Health
from shared.kit.rpc.caller import Caller
from shared.kit.security.access_tokens import TokenVerifier
from shared.kit.security.record_signatures import RecordSigner

_SWEEP_INTERVAL_S = 60.0


class TokenVerification:
    """The public keys of auth, the revoked sessions, and the authenticator that uses both."""

    def __init__(
        self,
        settings: EdgeSettings,
        client: Caller,
        health: Health,
        options: Mapping[str, Any],
        signatures: RecordSigner,
        clock: Clock,
    ) -> None:
        self._component = health.component("revocations")
        self.keys = JwksCache(client, health.component("keys"), settings.keys_refresh_s)
        ttl = timedelta(seconds=settings.access_token_ttl_s)
        self.revocations = RevokedSessions(clock, ttl, settings.revocations_max)
        verifier = TokenVerifier(self.keys.by_kid, settings.token_issuer, settings.token_audience, clock)
        self.authenticator = Authenticator(verifier, self.keys, self.revocations)
        self._tail = TopicTailer(
            options,
            "user-events",
            signatures,
            lambda: self.revocations.since,
            self.revocations.apply,
            self._on_caught_up,
            self._component.down,
        )

    async def follow(self) -> None:
        """Keep keys and revoked sessions up to date, until cancelled."""
        await asyncio.gather(self.keys.follow(), self._tail.follow(), self._sweep())

    def _on_caught_up(self) -> None:
        self.authenticator.caught_up = True
        self._component.ready()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self.revocations.sweep()
