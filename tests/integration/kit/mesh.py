"""Small processes of the mesh for tests: callers and services in this loop, on the real broker."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.contracts.catalogue import operations_of
from shared.kit.config.settings import ProcessSettings
from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.kafka.broker import make_broker, start_together
from shared.kit.kafka.close import close_quietly
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.client import RpcClient
from shared.kit.rpc.client_session import RpcClientSession
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.rpc.server import RpcServer
from shared.kit.security.field_encryption import FieldEncryption
from tests.unit.kit.rpc.calls import SECRET


def settings_for(bootstrap: str, **changes: Any) -> ProcessSettings:
    """The default settings, at the test run's broker."""
    return ProcessSettings(kafka_bootstrap_servers=bootstrap, **{"mesh_secret": SECRET, **changes})


async def make_topics(bootstrap: str, *names: str, partitions: int = 4) -> None:
    """Create these topics where they are missing."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names if name not in there])
    finally:
        await admin.close()


async def make_request_topics(bootstrap: str, service: str) -> None:
    """Create the request topics of a service."""
    await make_topics(bootstrap, *(operation.name for operation in operations_of(service)))


@asynccontextmanager
async def running_producer(settings: ProcessSettings) -> AsyncIterator[Producer]:
    producer = Producer(kafka_options(settings), timeout_ms=settings.call_timeout_ms, waiting_max=10_000)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def running_client(settings: ProcessSettings, service: str = "gateway") -> AsyncIterator[RpcClient]:
    """A process that calls."""
    async with running_producer(settings) as producer:
        calling = RpcClientSession(service, secrets.token_hex(4), producer, kafka_options(settings), settings)
        await calling.start()
        try:
            yield calling.client
        finally:
            await calling.stop()


@asynccontextmanager
async def running_service(
    settings: ProcessSettings,
    handlers: HandlerRegistry,
    instance: str = "one",
    seals: FieldEncryption | None = None,
) -> AsyncIterator[RpcServer]:
    """A process that handlers; leaves as a process that was asked to stop."""
    async with running_producer(settings) as producer:
        broker = make_broker(kafka_options(settings), instance)
        failures = DeadLetterPublisher(handlers.service, kafka_options(settings))
        answering = RpcServer(handlers, producer, failures, settings, seals or FieldEncryption())
        answering.attach(broker)
        await start_together(broker)
        answering.start()
        try:
            await asyncio.wait_for(answering.ready.wait(), 15)
            yield answering
        finally:
            await answering.stop()
            await close_quietly(broker.stop)
            await failures.stop()


def answering_all(service: str, handler: Callable[..., Awaitable[Any]]) -> HandlerRegistry:
    """Answers every operation of a service that is not `many` with one handler."""
    handlers = HandlerRegistry(service)
    for operation in operations_of(service):
        if not operation.many:
            handlers.register(operation, handler)
    return handlers
