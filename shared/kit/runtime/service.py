"""The life of a service process: start in whatever order the others do, serve, stop cleanly."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import uvloop
from faststream.kafka import KafkaBroker

from shared.kit.config.settings import ProcessSettings
from shared.kit.dead_letters.publisher import DeadLetterPublisher
from shared.kit.events.consumer import EventConsumer
from shared.kit.health.checks import Health
from shared.kit.health.server import serve_health
from shared.kit.kafka import aiokafka_patches
from shared.kit.kafka.broker import make_broker, start_together
from shared.kit.kafka.close import close_quietly
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.server import RpcServer
from shared.kit.runtime.gc_tuning import tune_gc
from shared.kit.runtime.hardening import make_undumpable
from shared.kit.runtime.instance_id import Instance
from shared.kit.runtime.service_context import ServiceContext
from shared.kit.runtime.startup import retry_until_available
from shared.kit.runtime.watchdog import watched
from shared.kit.security import record_signatures
from shared.kit.telemetry.json_logging import setup_logging

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ProcessSettings)
Build = Callable[[ServiceContext[S]], Awaitable[None]]

_WAITING_MAX = 20_000


def run_service(name: str, settings: S, build: Build[S]) -> None:
    """Run a service until SIGTERM or SIGINT. `build` is called before anything is consumed."""
    make_undumpable()
    aiokafka_patches.apply()
    instance = Instance(name, settings.instance_name)
    setup_logging(name, settings.log_level, instance.name, throttled=(record_signatures.__name__,))
    uvloop.run(watched(_until_stopped(name, instance.name, settings, build)))


async def _until_stopped(name: str, instance: str, settings: S, build: Build[S]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        health = Health()
        component = health.component("service")
        server = await serve_health(health, settings.health_host, settings.health_port)
        stack.push_async_callback(server.close)
        starting = asyncio.create_task(_start(name, instance, settings, build, stack, health))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        else:
            starting.result()
            tune_gc()
            component.ready()
            log.info("ready, health at port %d", server.port)
        await stopped
        component.down("stopping")
        log.info("stopping")


async def _start(
    name: str, instance: str, settings: S, build: Build[S], stack: AsyncExitStack, health: Health
) -> None:
    options = kafka_options(settings)
    producer = Producer(options, timeout_ms=settings.call_timeout_ms, waiting_max=_WAITING_MAX)
    await retry_until_available(health.component("kafka connecting"), producer.start)
    stack.push_async_callback(producer.stop)
    health.probe("kafka", producer.ping)
    events = EventConsumer(name, options, settings)
    context = ServiceContext(name, instance, settings, producer, events, stack, health)
    await build(context)
    if missing := context.handlers.unhandled():
        raise RuntimeError(f"no handler for {', '.join(missing)}")
    failures = DeadLetterPublisher(name, options)
    stack.push_async_callback(failures.stop)
    server = RpcServer(context.handlers, producer, failures, settings, context.encryption)
    await _consume(server, events, make_broker(options, instance), stack, health)


async def _consume(
    server: RpcServer, events: EventConsumer, broker: KafkaBroker, stack: AsyncExitStack, health: Health
) -> None:
    server.attach(broker)
    events.attach(broker)
    stack.push_async_callback(close_quietly, broker.stop)
    component = health.component("consumers")
    await start_together(broker)
    component.down("waiting for the group")
    for consumer in (server, events):
        consumer.start()
        stack.push_async_callback(consumer.stop)
    await asyncio.gather(server.ready.wait(), events.ready.wait())
    component.ready()
