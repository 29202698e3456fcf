"""The relay: sends what stands in a service's outbox to Kafka, in order, and deletes what Kafka has.

It may send a record twice (a process that dies between the two), never none and never out of order: a row
is sent after all earlier rows of its key, by one relay at a time (see slices.py), one batch of a partition
after another.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka.errors import KafkaError

from shared.contracts.clock import Clock
from shared.contracts.errors import MeshError
from shared.kit.database import Database
from shared.kit.database_errors import database_errors
from shared.kit.fenced_producer import FencedProducer, LeaseLost, Refused
from shared.kit.outbox_page import Row, Sign, delete_rows, read_page
from shared.kit.relay_metrics import RelayMetrics
from shared.kit.slices import LEASE_S, MARGIN_S, Leases

_log = logging.getLogger(__name__)

_POLL_S = 0.1
_PAUSE_S = 0.5
"""How long to wait after something failed."""
_CONNECTIONS = 2
_SESSION = {
    # A relay that is stopped amid a transaction must not hold the others up.
    "idle_in_transaction_session_timeout": "2000",
    "lock_timeout": "3000",
    "statement_timeout": "10000",
    # The statistics of a queue lie; the primary key gives the oldest rows whatever they say.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}


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
        page_rows: int = 2_000,
        sign: Sign | None = None,
        report: Callable[[str | None], None] = lambda reason: None,
    ) -> None:
        self._service = service
        self._database = database
        self._leases = Leases(instance, lease_s=lease_s, margin_s=margin_s)
        self._renew_s = lease_s * 0.3
        self._page_rows = page_rows
        self._sign = sign
        self._report = report
        self._metrics = RelayMetrics(service, clock)
        self._producer = FencedProducer(kafka_options, self._may_send)
        self._generation = 0
        self._sent: dict[int, UUID] = {}
        self._refusals: dict[tuple[UUID, str], str] = {}
        self._woken = asyncio.Event()
        self._stopping = False
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        """Begin, whether or not Postgres and Kafka are there yet."""
        self._pool = await self._database.own_pool(_CONNECTIONS, _SESSION)
        self._tasks = (asyncio.create_task(self._relay()), asyncio.create_task(self._keep_leases()))

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Send what is there within the timeout, then give the slices to others."""
        self._stopping = True
        self._woken.set()
        done = await asyncio.wait(self._tasks[:1], timeout=timeout_s) if self._tasks else None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await (self._producer.close() if done and done[0] else self._producer.kill())
        if self._pool is not None:
            await self._leave(self._pool)
            self._pool = None

    def wake(self) -> None:
        """Something was committed. Many calls are one; costs next to nothing."""
        self._woken.set()

    async def _leave(self, pool: asyncpg.Pool) -> None:
        try:
            async with asyncio.timeout(2):
                async with self._connection() as connection:
                    await self._delete_sent(connection)
                    await self._leases.leave(connection)
                await pool.close()
        except (MeshError, TimeoutError) as error:
            _log.warning("%s: the slices of the outbox run out by themselves: %r", self._service, error)
            pool.terminate()

    async def _keep_leases(self) -> None:
        while True:
            pause_s = self._renew_s
            try:
                async with self._connection() as connection:
                    await self._leases.renew(connection)
                    self._woken.set()
                    await self._metrics.sample(connection, self._leases.held())
            except MeshError:
                pause_s = _PAUSE_S
            except Exception:  # noqa: BLE001 (the keeper of the leases must not die)
                _log.exception("%s: could not renew the slices of the outbox", self._service)
                pause_s = _PAUSE_S
            await asyncio.sleep(pause_s)

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
                continue
            if self._stopping:
                return
            await self._rest(pause_s)

    async def _rest(self, pause_s: float) -> None:
        if pause_s == _PAUSE_S:
            await asyncio.sleep(pause_s)
            return
        try:
            async with asyncio.timeout(pause_s):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _round(self) -> bool:
        """Read a page, send it, delete it; True when more may be there."""
        async with self._connection() as connection:
            await self._delete_sent(connection)
            if self._leases.surplus:
                await self._leases.give_back(connection)
            self._generation, held = self._leases.generation, self._leases.held()
            if not held:
                return False
            page = await read_page(connection, held, self._page_rows)
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
        async with self._connection() as connection:
            await self._delete_sent(connection)
        return True

    async def _delete_sent(self, connection: asyncpg.Connection) -> None:
        if not self._sent:
            return
        await delete_rows(connection, self._sent)
        self._metrics.relayed.inc(len(self._sent))
        gone = set(self._sent.values())
        self._refusals = {place: why for place, why in self._refusals.items() if place[0] not in gone}
        self._sent = {}

    async def _refuse(self, refused: list[Refused], rows: Sequence[Row]) -> None:
        """Remember what Kafka will never take, so that the next round sends it to the dead letters."""
        for refusal in refused:
            row = rows[refusal.parcel.place]
            topic = refusal.line[0]
            self._refusals[row.event_id, topic] = refusal.reason
            self._metrics.refused.inc()
            _log.error(
                "%s: %s refuses event %s (%s): %s",
                self._service,
                topic,
                row.event_id,
                row.type,
                refusal.reason,
            )
        await self._producer.kill()

    async def _broken_off(self, error: Exception) -> None:
        self._metrics.failed.inc()
        expected = isinstance(error, (MeshError, KafkaError, LeaseLost, TimeoutError))
        _log.warning("%s: events wait in the outbox: %r", self._service, error, exc_info=not expected)
        self._report(f"events wait: {type(error).__name__}")
        await self._producer.kill()

    def _may_send(self) -> bool:
        return self._leases.generation == self._generation and self._leases.remaining_s() > 0

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        if self._pool is None:
            raise RuntimeError("the relay was not started")
        with database_errors():
            async with self._pool.acquire(timeout=3) as connection:
                yield connection
