"""The gateway's connection to the services as it starts up: Kafka, replies, keys, revoked sessions.

The gateway serves from the first moment on, and its health reports the components that are not ready yet.
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
    """All clients of Kafka in this process, and what they keep up to date."""

    def __init__(self, settings: GatewaySettings, instance: str, health: Health, limits: RateLimits) -> None:
        options = kafka_options(settings)
        self._connecting = health.component("kafka connecting")
        self._replies = health.component("replies")
        self._health = health
        self._producer = Producer(options, timeout_ms=settings.call_timeout_ms, waiting_max=_WAITING_MAX)
        self._session = RpcClientSession("gateway", instance, self._producer, options, settings)
        self.client = self._session.client
        signer = signatures_of(settings)
        self._verification = TokenVerification(settings, self.client, health, options, signer, SystemClock())
        self.keys = self._verification.keys
        self.revocations = self._verification.revocations
        self.authenticator = self._verification.authenticator
        self._rate_limit_sync = RateLimitSync(limits, self._producer, options, signer)
        self._stack = AsyncExitStack()

    async def run(self, on_connected: Callable[[], None]) -> None:
        """Connect, call `on_connected`, then follow keys, revoked sessions and limits until cancelled."""
        await retry_until_available(self._connecting, self._producer.start)
        self._stack.push_async_callback(self._producer.stop)
        self._health.probe("kafka", self._producer.ping)
        await retry_until_available(self._replies, self._session.start)
        self._stack.push_async_callback(self._session.stop)
        on_connected()
        await asyncio.gather(self._verification.follow(), self._rate_limit_sync.run())

    async def stop(self) -> None:
        """Disconnect from Kafka; if it does not respond, give up after `STOP_TIMEOUT_S`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._stack.aclose()
