"""A service of its own with an inbox, on topics of its own, for tests of what happens to its records."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared.contracts.event import SERVER_DELETED as KIND
from shared.contracts.event import Event
from shared.contracts.examples import example_of_event
from shared.contracts.topics import dead_letter_topic
from shared.kit.config.settings import ProcessSettings
from shared.kit.events.consumer import EventConsumer
from shared.kit.kafka.broker import make_broker
from shared.kit.kafka.options import kafka_options
from shared.kit.wire.failure import FAILURE_HEADERS, ORIGINAL_TOPIC
from shared.kit.wire.headers import SIGNATURE
from tests.integration.kit.mesh import settings_for
from tests.unit.kit.rpc.calls import SIGNATURES

PARTITIONS = 4
Handler = Callable[[Event], Awaitable[None]]


class Place:
    """A service of its own with topics of its own, so that tests do not meet."""

    def __init__(self, bootstrap: str, service: str) -> None:
        self.bootstrap = bootstrap
        self.service = service
        self.topic = f"{service}.facts"
        self.dead = dead_letter_topic(service)
        self.group = f"{service}-group.events"

    @asynccontextmanager
    async def inbox(
        self, handler: Handler, instance: str = "one", **changes: Any
    ) -> AsyncIterator[EventConsumer]:
        settings: ProcessSettings = settings_for(self.bootstrap, **changes)
        broker = make_broker(kafka_options(settings), instance)
        inbox = EventConsumer(self.service, kafka_options(settings), settings)
        inbox.add((self.topic,), handler)
        inbox.attach(broker)
        await broker.start()
        inbox.start()
        try:
            await asyncio.wait_for(inbox.ready.wait(), 15)
            yield inbox
        finally:
            await inbox.stop()
            await broker.stop()

    async def send(
        self, *records: tuple[str | None, bytes], headers: Any = (), topic: str | None = None
    ) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for key, value in records:
                name, raw = topic or self.topic, key.encode() if key else None
                given = [pair for pair in headers if pair[0] != SIGNATURE]
                signed_for = dict(given).get(ORIGINAL_TOPIC, name.encode()).decode()
                covered = [pair for pair in given if pair[0] not in FAILURE_HEADERS]
                signature = SIGNATURES.signature(signed_for, raw, value, covered)
                await producer.send(name, value, key=raw, headers=[*given, signature])
            await producer.flush()

    async def read(self, topic: str, count: int, timeout_s: float = 15) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        async with consumer, asyncio.timeout(timeout_s):
            return [await consumer.getone() for _ in range(count)]

    async def committed(self) -> int:
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.group) as consumer:
            places = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            return sum([await consumer.committed(place) or 0 for place in places])


def event(revision: int) -> bytes:
    return msgspec.json.encode({**example_of_event(KIND), "revision": revision})


def headers_of(record: ConsumerRecord) -> dict[str, str]:
    return {name: value.decode(errors="replace") for name, value in record.headers}
