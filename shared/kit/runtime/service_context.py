"""The parts that a composition root builds a service of; the process closes them when it stops."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, Generic, TypeVar

from shared.contracts.errors import ServiceError
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.config.settings import ProcessSettings
from shared.kit.database.database import Database
from shared.kit.events.consumer import EventConsumer
from shared.kit.events.processor import Handler
from shared.kit.health.checks import Health
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.producer import Producer
from shared.kit.outbox.relay import Relay
from shared.kit.rpc.client import RpcClient
from shared.kit.rpc.client_session import RpcClientSession
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.runtime.startup import retry_until_available
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import signatures_of

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ProcessSettings)

_RESTART_AFTER_S = 1.0


class ServiceContext(Generic[S]):
    """The context of one service process. Everything opened here is closed when the process stops."""

    def __init__(
        self,
        service: str,
        instance: str,
        settings: S,
        producer: Producer,
        events: EventConsumer,
        stack: AsyncExitStack,
        health: Health,
    ) -> None:
        self.service = service
        self.instance = instance
        self.settings = settings
        self.health = health
        self.clock = SystemClock()
        self.ids = SystemIds()
        self.handlers = HandlerRegistry(service)
        self.encryption = FieldEncryption()
        self._producer = producer
        self._events = events
        self._stack = stack

    async def open_database(self, url: str) -> Database:
        """Open the service's database; return when Postgres is available."""

        def attempt() -> Awaitable[Database]:
            return Database.open(url, application_name=self.instance)

        database = await retry_until_available(self.health.component("postgres opening"), attempt)
        self._stack.push_async_callback(database.close)
        self.health.probe("postgres", database.ping)
        return database

    async def start_outbox(self, database: Database) -> None:
        """Relay the outbox of this database; each commit wakes the relay."""
        component = self.health.component("outbox")
        component.ready()
        relay = Relay(
            self.service,
            database,
            kafka_options(self.settings),
            self.instance,
            self.clock,
            sign=signatures_of(self.settings).sign,
            report=lambda reason: component.down(reason) if reason else component.ready(),
        )
        database.on_commit = relay.wake
        await relay.start()
        self._stack.push_async_callback(relay.stop)

    async def open_client(self) -> RpcClient:
        """Return a client for calls to other services; its reply topic is being read by then."""
        options = kafka_options(self.settings)
        session = RpcClientSession(self.service, self.instance, self._producer, options, self.settings)
        await retry_until_available(self.health.component("replies"), session.start)
        self._stack.push_async_callback(session.stop)
        return session.client

    def subscribe(self, topics: Iterable[str], handler: Handler) -> None:
        """Consume the events of these topics, each at least once, in order for each key.

        Raises ValueError when one of them has a handler already.
        """
        self._events.add(tuple(topics), handler)

    def every(self, interval_s: float, job: Callable[[], Awaitable[Any]]) -> None:
        """Run a job periodically; one that fails is logged and runs again at its next turn."""
        task = asyncio.create_task(_repeat(interval_s, job))
        self._stack.push_async_callback(_cancel, task)

    def run_forever(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task until the process stops; one that fails or returns is started again."""
        task = asyncio.create_task(_restart(work))
        self._stack.push_async_callback(_cancel, task)

    def on_stop(self, close: Callable[[], Awaitable[Any]]) -> None:
        """Call `close` when the process stops; the last registered is called first."""
        self._stack.push_async_callback(close)


async def _repeat(interval_s: float, job: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await asyncio.sleep(interval_s)
        try:
            await job()
        except ServiceError as error:
            log.warning("a periodic job has to wait: %s", error)
        except Exception:
            log.exception("a periodic job failed")


async def _restart(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("a background task failed and is started again")
        await asyncio.sleep(_RESTART_AFTER_S)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
