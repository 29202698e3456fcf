"""The relay: sends what stands in a service's outbox to Kafka, in order, and deletes what Kafka has.

It may send a record twice (a process that dies between the two), never none and never out of order: a row
is sent after all earlier rows of its key, by one relay at a time (see slices.py), one batch of a partition
after another.
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
from shared.kit.outbox.batch import Row, Sign, delete_rows, read_page
from shared.kit.outbox.connections import RelayConnections
from shared.kit.outbox.lease_renewal import LeaseRenewer
from shared.kit.outbox.leases import LEASE_S, MARGIN_S, Leases
from shared.kit.outbox.metrics import RelayMetrics
from shared.kit.outbox.publisher import OutboxPublisher
from shared.kit.outbox.records import LeaseLost, Rejected
from shared.kit.outbox.rejections import Rejections

_log = logging.getLogger(__name__)

_POLL_S = 0.1
_GATHER_S = 0.01
"""Pause between two rounds that had rows: what is sent live is later by half of it on the average."""
_PAUSE_S = 0.5
"""How long to wait after something failed."""


class Relay:
    """One process's relay of one service's outbox.

    `instance` is the name of this process; no other living process of the service has it. `report` hears
    None when all is well, else why events do not go out.
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
        page_rows: int = 1_000,
        sign: Sign | None = None,
        report: Callable[[str | None], None] = lambda reason: None,
    ) -> None:
        self._service = service
        self._leases = Leases(instance, lease_s=lease_s, margin_s=margin_s)
        self._store = RelayConnections(database)
        self._page_rows = page_rows
        self._sign = sign
        self._report = report
        self._metrics = RelayMetrics(service, clock)
        self._keeper = LeaseRenewer(service, self._store, self._leases, self._metrics, self.wake)
        self._producer = OutboxPublisher(kafka_options, self._may_send)
        self._generation = 0
        self._full = False
        self._sent: dict[int, UUID] = {}
        self._refusals = Rejections(service)
        self._woken = asyncio.Event()
        self._stopping = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Begin, whether or not Postgres and Kafka are there yet."""
        await self._store.open()
        self._tasks = (asyncio.create_task(self._relay()), asyncio.create_task(self._keeper.run()))

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Send what is there within the timeout, then give the slices to others."""
        self._stopping = True
        self._woken.set()
        tasks, self._tasks = self._tasks, ()
        if not tasks:
            return
        done, _ = await asyncio.wait(tasks[:1], timeout=timeout_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await (self._producer.close() if done else self._producer.kill())
        if self._sent:
            with suppress(ServiceError):
                async with self._store.connection() as connection:
                    await self._delete_sent(connection)
        await self._keeper.leave()
        await self._store.close()

    def wake(self) -> None:
        """Something was committed. Many calls are one; costs next to nothing."""
        self._woken.set()

    async def _relay(self) -> None:
        while True:
            self._woken.clear()
            more, pause_s = False, _POLL_S
            try:
                more = await self._round()
            except Exception as error:  # noqa: BLE001 (the rows stay, a new producer sends them again)
                await self._broken_off(error)
                pause_s = _PAUSE_S
            if more:
                await self._gather()
                continue
            if self._stopping:
                return
            await self._rest(pause_s)

    async def _gather(self) -> None:
        """Under load a round costs less than the rows that come in during a short pause save."""
        if not (self._stopping or self._full):
            await asyncio.sleep(_GATHER_S)

    async def _rest(self, pause_s: float) -> None:
        if pause_s == _PAUSE_S:
            await asyncio.sleep(pause_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._woken.wait()

    async def _round(self) -> bool:
        """Read a page, send it, delete it; True when there were rows."""
        async with self._store.connection() as connection:
            await self._delete_sent(connection)
            if self._leases.surplus:
                await self._leases.give_back(connection)
            self._generation, held = self._leases.generation, self._leases.held()
            if not held:
                return False
            page = await read_page(connection, held, self._page_rows)
        self._full = len(page.rows) >= self._page_rows
        if not page.rows:
            self._report(None)
            return False
        await self._producer.ready()
        await page.pack(self._service, self._producer.line_of, self._refusals, self._sign)
        try:
            refused = await self._producer.send(page.lines, page.taken)
        finally:
            self._sent = page.sent
        if refused:
            await self._refuse(refused, page.rows)
        self._report(None)
        async with self._store.connection() as connection:
            await self._delete_sent(connection)
        return True

    async def _delete_sent(self, connection: asyncpg.Connection) -> None:
        if not self._sent:
            return
        await delete_rows(connection, self._sent)
        self._metrics.relayed.inc(len(self._sent))
        self._refusals.forget(set(self._sent.values()))
        self._sent = {}

    async def _refuse(self, refused: list[Rejected], rows: Sequence[Row]) -> None:
        """Remember what Kafka will never take, so that the next round sends it to the dead letters."""
        for refusal in refused:
            row = rows[refusal.parcel.place]
            self._refusals.add(row.event_id, row.type, refusal.line[0], refusal.reason)
            self._metrics.refused.inc()
        await self._producer.kill()

    async def _broken_off(self, error: Exception) -> None:
        self._metrics.failed.inc()
        expected = isinstance(error, (ServiceError, KafkaError, LeaseLost, TimeoutError))
        _log.warning("%s: events wait in the outbox: %r", self._service, error, exc_info=not expected)
        self._report(f"events wait: {type(error).__name__}")
        await self._producer.kill()

    def _may_send(self) -> bool:
        return self._leases.generation == self._generation and self._leases.remaining_s() > 0
