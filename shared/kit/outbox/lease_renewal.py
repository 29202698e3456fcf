"""Keeps a relay's leases alive, and looks at how much waits in their slices while it is there."""

import asyncio
import logging
from collections.abc import Callable

from shared.contracts.errors import ServiceError
from shared.kit.outbox.connections import RelayConnections
from shared.kit.outbox.leases import Leases
from shared.kit.outbox.metrics import RelayMetrics

_log = logging.getLogger(__name__)

_RETRY_S = 0.5
_LEAVE_S = 2.0


class LeaseRenewer:
    """Renews the leases again and again, also while their relay waits for the broker."""

    def __init__(
        self,
        service: str,
        store: RelayConnections,
        leases: Leases,
        metrics: RelayMetrics,
        renewed: Callable[[], None],
    ) -> None:
        self._service = service
        self._store = store
        self._leases = leases
        self._metrics = metrics
        self._renewed = renewed

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            pause_s = await self._renew()
            await asyncio.sleep(pause_s)

    async def leave(self) -> None:
        """Give all slices to the others, if the database is there."""
        try:
            async with asyncio.timeout(_LEAVE_S), self._store.connection() as connection:
                await self._leases.leave(connection)
        except (ServiceError, TimeoutError) as error:
            _log.warning("%s: the slices of the outbox run out by themselves: %r", self._service, error)

    async def _renew(self) -> float:
        """Renew once; gives how many seconds to wait until the next time."""
        try:
            async with self._store.connection() as connection:
                await self._leases.renew(connection)
                self._renewed()
                await self._metrics.sample(connection, self._leases.held())
        except ServiceError:
            return _RETRY_S
        except Exception:  # noqa: BLE001 (whatever it was: without a keeper no event goes out any more)
            _log.exception("%s: could not renew the slices of the outbox", self._service)
            return _RETRY_S
        return self._leases.renew_after_s
