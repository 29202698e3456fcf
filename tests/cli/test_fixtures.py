"""The fixtures that all other tests build on."""

import asyncio
from collections.abc import Callable

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def round_trip(bootstrap: str) -> bytes:
    """Create a topic, write one record, read it back."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("fixture.round-trip", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    await producer.send_and_wait("fixture.round-trip", b"hello")
    await producer.stop()
    consumer = AIOKafkaConsumer(
        "fixture.round-trip", bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    record = await asyncio.wait_for(consumer.getone(), 20)
    await consumer.stop()
    value: bytes = record.value
    return value


def test_kafka_keeps_what_is_written(kafka_bootstrap: str) -> None:
    assert asyncio.run(round_trip(kafka_bootstrap)) == b"hello"


def test_each_database_is_fresh_and_its_own(database_url: Callable[[], str]) -> None:
    async def use(url: str) -> int:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE things (id int)")
        count: int = await connection.fetchval("SELECT count(*) FROM things")
        await connection.close()
        return count

    one, two = database_url(), database_url()
    assert one != two
    assert asyncio.run(use(one)) == asyncio.run(use(two)) == 0
