"""What a service is built of: its composition root asks for these, the process opens and closes them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, Generic, TypeVar

from shared.contracts.errors import ServiceError
from shared.contracts.event import Event
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.config.settings import ProcessSettings, kafka_options
from shared.kit.database.database import Database
from shared.kit.health.checks import Health
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

_BEGUN_ANEW_AFTER_S = 1.0

EventHandler = Callable[[Event], Awaitable[None]]


class ServiceContext(Generic[S]):
    """The parts of one service process. What is asked for here is closed when the process stops."""

    def __init__(
        self,
        service: str,
        instance: str,
        settings: S,
        producer: Producer,
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
        self.seals = FieldEncryption()
        self.hears: list[tuple[tuple[str, ...], EventHandler]] = []
        self._producer = producer
        self._stack = stack

    async def database(self, url: str) -> Database:
        """The service's database, opened as soon as it is there, and the relay of its outbox."""
        relay: Relay | None = None

        def wake() -> None:
            if relay is not None:
                relay.wake()

        def attempt() -> Awaitable[Database]:
            return Database.open(url, on_commit=wake, application_name=self.instance)

        database = await retry_until_available(self.health.part("postgres opening"), attempt)
        self._stack.push_async_callback(database.close)
        self.health.probe("postgres", database.ping)
        sending = self.health.part("outbox")
        sending.ready()
        relay = Relay(
            self.service,
            database,
            kafka_options(self.settings),
            self.instance,
            self.clock,
            sign=signatures_of(self.settings).sign,
            report=lambda reason: sending.down(reason) if reason else sending.ready(),
        )
        await relay.start()
        self._stack.push_async_callback(relay.stop)
        return database

    async def client(self) -> RpcClient:
        """A client for calls to other services; its reply topic is read when this returns."""
        options = kafka_options(self.settings)
        calling = RpcClientSession(self.service, self.instance, self._producer, options, self.settings)
        await retry_until_available(self.health.part("replies"), calling.start)
        self._stack.push_async_callback(calling.stop)
        return calling.client

    def inbox(self, topics: Iterable[str], handler: EventHandler) -> None:
        """Hear the events of these topics, each at least once, in order for each key."""
        self.hears.append((tuple(topics), handler))

    def every(self, interval_s: float, job: Callable[[], Awaitable[Any]]) -> None:
        """Do a job again and again; one that fails is logged and done again at its next turn."""
        task = asyncio.create_task(_repeat(interval_s, job))
        self._stack.push_async_callback(_cancel, task)

    def beside(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something that goes on until the process stops; what fails is logged and begun anew."""
        task = asyncio.create_task(_keep_on(work))
        self._stack.push_async_callback(_cancel, task)

    def on_stop(self, close: Callable[[], Awaitable[Any]]) -> None:
        """Close something when the process stops, in the reverse order of asking."""
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


async def _keep_on(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("something that goes on beside failed")
        await asyncio.sleep(_BEGUN_ANEW_AFTER_S)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
