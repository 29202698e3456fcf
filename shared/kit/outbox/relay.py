"""The relay: sends the rows of a service's outbox to Kafka, in order, and deletes those that Kafka has.

It may send a record twice (a process that dies between the two), but never omits one and never reorders
a key: a row is sent after all earlier rows of its key, by one relay at a time (see leases.py), one batch of
a partition after another.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka.errors import KafkaError

from shared.contracts.clock import Clock
from shared.contracts.errors import ServiceError
from shared.kit.database.database import Database
from shared.kit.outbox.batch import OutboxRow, Sign, delete_rows, read_batch
from shared.kit.outbox.connections import RelayConnections
from shared.kit.outbox.lease_renewal import LeaseRenewer
from shared.kit.outbox.leases import LEASE_S, MARGIN_S, Leases
from shared.kit.outbox.metrics import RelayMetrics
from shared.kit.outbox.publisher import OutboxPublisher
from shared.kit.outbox.records import LeaseLost, Rejected, Rejections

_log = logging.getLogger(__name__)

_POLL_S = 0.1
_GATHER_S = 0.01
"""Pause between two rounds that had rows; it delays a live event by half of it on average."""
_RETRY_S = 0.5
"""Pause after a failed round."""


class Relay:
    """One process's relay of one service's outbox.

    `instance` is the name of this process; no other living process of the service has it. `report` is
    called with the reason while events cannot be sent, with None when they can.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        kafka_options: Mapping[str, Any],
        instance: str,
        clock: Clock,
        *,
        lease_s: float = LEASE_S,
        margin_s: float = MARGIN_S,
        batch_rows: int = 1_000,
        sign: Sign | None = None,
        report: Callable[[str | None], None] = lambda reason: None,
    ) -> None:
        self._service = service
        self._leases = Leases(instance, lease_s=lease_s, margin_s=margin_s)
        self._connections = RelayConnections(database)
        self._batch_rows = batch_rows
        self._sign = sign
        self._report = report
        self._metrics = RelayMetrics(service, clock)
        self._renewer = LeaseRenewer(service, self._connections, self._leases, self._metrics, self.wake)
        self._publisher = OutboxPublisher(kafka_options, self._may_send)
        self._generation = 0
        self._full = False
        self._sent: dict[int, UUID] = {}
        self._rejections = Rejections(service)
        self._woken = asyncio.Event()
        self._stopping = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Start the relay; Postgres and Kafka may still be unavailable."""
        await self._connections.open()
        self._tasks = (asyncio.create_task(self._relay()), asyncio.create_task(self._renewer.run()))

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Send the remaining rows within the timeout, then release the shards."""
        self._stopping = True
        self._woken.set()
        tasks, self._tasks = self._tasks, ()
        if not tasks:
            return
        done, _ = await asyncio.wait(tasks[:1], timeout=timeout_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await (self._publisher.close() if done else self._publisher.abort())
        if self._sent:
            with suppress(ServiceError):
                async with self._connections.connection() as connection:
                    await self._delete_sent(connection)
        await self._renewer.release_all()
        await self._connections.close()

    def wake(self) -> None:
        """Start the next round now. Many calls count as one; a call costs next to nothing."""
        self._woken.set()

    async def _relay(self) -> None:
        while True:
            self._woken.clear()
            had_rows, pause_s = False, _POLL_S
            try:
                had_rows = await self._round()
            except Exception as error:  # noqa: BLE001 (the rows stay, a new producer sends them again)
                await self._abort_round(error)
                pause_s = _RETRY_S
            if had_rows:
                await self._gather()
                continue
            if self._stopping:
                return
            await self._rest(pause_s)

    async def _gather(self) -> None:
        """Pause for more rows: under load a round costs more than a short pause delays."""
        if not (self._stopping or self._full):
            await asyncio.sleep(_GATHER_S)

    async def _rest(self, pause_s: float) -> None:
        if pause_s == _RETRY_S:
            await asyncio.sleep(pause_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._woken.wait()

    async def _round(self) -> bool:
        """Read a batch, send it, delete it; return True if there were rows."""
        async with self._connections.connection() as connection:
            await self._delete_sent(connection)
            if self._leases.excess:
                await self._leases.release(connection)
            self._generation, shards = self._leases.generation, self._leases.held()
            if not shards:
                return False
            batch = await read_batch(connection, shards, self._batch_rows)
        self._full = len(batch.rows) >= self._batch_rows
        if not batch.rows:
            self._report(None)
            return False
        await self._publisher.connect()
        await batch.build(self._service, self._publisher.partition_of, self._rejections, self._sign)
        try:
            rejected = await self._publisher.send(batch.by_partition, batch.on_acked)
        finally:
            self._sent = batch.sent
        if rejected:
            await self._reject(rejected, batch.rows)
        self._report(None)
        async with self._connections.connection() as connection:
            await self._delete_sent(connection)
        return True

    async def _delete_sent(self, connection: asyncpg.Connection) -> None:
        if not self._sent:
            return
        await delete_rows(connection, self._sent)
        self._metrics.relayed.inc(len(self._sent))
        self._rejections.forget(set(self._sent.values()))
        self._sent = {}

    async def _reject(self, rejected: list[Rejected], rows: Sequence[OutboxRow]) -> None:
        """Remember the records that Kafka will never take; the next round sends them to the dead letters."""
        for rejection in rejected:
            row = rows[rejection.record.row_index]
            self._rejections.add(row.event_id, row.type, rejection.partition.topic, rejection.reason)
            self._metrics.rejected.inc()
        await self._publisher.abort()

    async def _abort_round(self, error: Exception) -> None:
        self._metrics.failed.inc()
        expected = isinstance(error, (ServiceError, KafkaError, LeaseLost, TimeoutError))
        _log.warning("%s: events wait in the outbox: %r", self._service, error, exc_info=not expected)
        self._report(f"events wait: {type(error).__name__}")
        await self._publisher.abort()

    def _may_send(self) -> bool:
        return self._leases.generation == self._generation and self._leases.remaining_s() > 0
