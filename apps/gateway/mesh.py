"""The gateway's way to the services, as it comes up: Kafka, replies, keys, revoked sessions.

It serves from the first moment on and says by its health what is not there yet.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

from apps.gateway.authenticate import Authenticator
from apps.gateway.gossip import Gossip
from apps.gateway.keys import Keys
from apps.gateway.limits import Limits
from apps.gateway.revocations import Revocations
from apps.gateway.settings import GatewaySettings
from shared.kit.calling import Calling
from shared.kit.clock import SystemClock
from shared.kit.health import Health
from shared.kit.producer import Producer
from shared.kit.settings import kafka_options
from shared.kit.signatures import signatures_of
from shared.kit.tail import Tail
from shared.kit.tokens import TokenVerifier
from shared.kit.waiting import until_there

_WAITING_MAX = 20_000
_SWEEP_INTERVAL_S = 60.0
STOP_TIMEOUT_S = 2.0


class Mesh:
    """All that the gateway needs of the mesh."""

    def __init__(self, settings: GatewaySettings, instance: str, health: Health, limits: Limits) -> None:
        options = kafka_options(settings)
        self._kafka = health.part("kafka connecting")
        self._replies = health.part("replies")
        self._revoked = health.part("revocations")
        self._health = health
        self._producer = Producer(options, timeout_ms=settings.call_timeout_ms, waiting_max=_WAITING_MAX)
        self._calling = Calling("gateway", instance, self._producer, options, settings)
        self.caller = self._calling.client
        self.keys = Keys(self.caller, health.part("keys"), settings.keys_refresh_s)
        clock = SystemClock()
        ttl = timedelta(seconds=settings.access_token_ttl_s)
        self.revocations = Revocations(clock, ttl, settings.revocations_max)
        verifier = TokenVerifier(self.keys.by_kid, settings.token_issuer, settings.token_audience, clock)
        self.authenticator = Authenticator(verifier, self.keys, self.revocations)
        signatures = signatures_of(settings)
        self._tail = Tail(
            options,
            "user-events",
            signatures,
            lambda: self.revocations.since,
            self.revocations.hear,
            self._caught_up,
            self._revoked.down,
        )
        self._gossip = Gossip(limits, self._producer, options, signatures)
        self._stack = AsyncExitStack()

    async def run(self, on_open: Callable[[], None]) -> None:
        """Come up, say so, then follow what changes, until it is cancelled."""
        await until_there(self._kafka, self._producer.start)
        self._stack.push_async_callback(self._producer.stop)
        self._health.probe("kafka", self._producer.ping)
        await until_there(self._replies, self._calling.start)
        self._stack.push_async_callback(self._calling.stop)
        on_open()
        await asyncio.gather(self.keys.follow(), self._tail.follow(), self._gossip.run(), self._sweep())

    async def stop(self) -> None:
        """Leave Kafka, which may be away itself and is not waited for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._stack.aclose()

    def _caught_up(self) -> None:
        self.authenticator.caught_up = True
        self._revoked.ready()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self.revocations.sweep()
