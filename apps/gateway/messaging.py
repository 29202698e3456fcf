"""The gateway's way to the services, as it comes up: Kafka, replies, keys, revoked sessions.

It serves from the first moment on and says by its health what is not there yet.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

from apps.gateway.rate_limit_sync import RateLimitSync
from apps.gateway.settings import GatewaySettings
from shared.edge.auth.token_verification import TokenVerification
from shared.edge.rate_limits.policies import RateLimits
from shared.kit.clock import SystemClock
from shared.kit.health.checks import Health
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.client_session import RpcClientSession
from shared.kit.runtime.startup import retry_until_available
from shared.kit.security.record_signatures import signatures_of

_WAITING_MAX = 20_000
STOP_TIMEOUT_S = 2.0


class Messaging:
    """All that the gateway needs of the mesh."""

    def __init__(self, settings: GatewaySettings, instance: str, health: Health, limits: RateLimits) -> None:
        options = kafka_options(settings)
        self._kafka = health.component("kafka connecting")
        self._replies = health.component("replies")
        self._health = health
        self._producer = Producer(options, timeout_ms=settings.call_timeout_ms, waiting_max=_WAITING_MAX)
        self._calling = RpcClientSession("gateway", instance, self._producer, options, settings)
        self.caller = self._calling.client
        signatures = signatures_of(settings)
        self._doorkeeper = TokenVerification(
            settings, self.caller, health, options, signatures, SystemClock()
        )
        self.keys = self._doorkeeper.keys
        self.revocations = self._doorkeeper.revocations
        self.authenticator = self._doorkeeper.authenticator
        self._gossip = RateLimitSync(limits, self._producer, options, signatures)
        self._stack = AsyncExitStack()

    async def run(self, on_open: Callable[[], None]) -> None:
        """Come up, say so, then follow what changes, until it is cancelled."""
        await retry_until_available(self._kafka, self._producer.start)
        self._stack.push_async_callback(self._producer.stop)
        self._health.probe("kafka", self._producer.ping)
        await retry_until_available(self._replies, self._calling.start)
        self._stack.push_async_callback(self._calling.stop)
        on_open()
        await asyncio.gather(self._doorkeeper.follow(), self._gossip.run())

    async def stop(self) -> None:
        """Leave Kafka, which may be away itself and is not waited for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._stack.aclose()
