"""Renewal of a relay's leases, which also samples the backlog of their shards."""

import asyncio
import logging
from collections.abc import Callable

from shared.contracts.errors import ServiceError
from shared.kit.outbox.connections import RelayConnections
from shared.kit.outbox.leases import Leases
from shared.kit.outbox.metrics import RelayMetrics

_log = logging.getLogger(__name__)

_RETRY_S = 0.5
_RELEASE_TIMEOUT_S = 2.0


class LeaseRenewer:
    """Renews the leases periodically, also while their relay waits for the broker."""

    def __init__(
        self,
        service: str,
        connections: RelayConnections,
        leases: Leases,
        metrics: RelayMetrics,
        on_renewed: Callable[[], None],
    ) -> None:
        self._service = service
        self._connections = connections
        self._leases = leases
        self._metrics = metrics
        self._on_renewed = on_renewed

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            pause_s = await self._renew()
            await asyncio.sleep(pause_s)

    async def release_all(self) -> None:
        """Release all shards, if the database is available."""
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT_S), self._connections.connection() as connection:
                await self._leases.release_all(connection)
        except (ServiceError, TimeoutError) as error:
            _log.warning("%s: the leases of the outbox were left to expire: %r", self._service, error)

    async def _renew(self) -> float:
        """Renew once; return the pause until the next renewal in seconds."""
        try:
            async with self._connections.connection() as connection:
                await self._leases.renew(connection)
                self._on_renewed()
                await self._metrics.sample(connection, self._leases.held())
        except ServiceError:
            return _RETRY_S
        except Exception:  # noqa: BLE001 (without renewals no event is sent any more)
            _log.exception("%s: could not renew the leases of the outbox", self._service)
            return _RETRY_S
        return self._leases.renew_after_s
