"""How far a group has committed, and where the topics end."""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

Offsets = dict[TopicPartition, int]


async def committed(bootstrap: str, group: str) -> Offsets:
    """The committed offset of each partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {place: offset.offset for place, offset in found.items() if offset.offset >= 0}


async def ends(bootstrap: str, topics: Iterable[str], partitions: int = 4) -> Offsets:
    """The end of each partition: where the next record will be."""
    places = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        found: Offsets = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    return found


async def lagging(bootstrap: str, group: str, topics: Iterable[str]) -> Offsets:
    """How many records of each partition are not committed; none where all are."""
    there = await committed(bootstrap, group)
    found = await ends(bootstrap, topics)
    return {place: end - there.get(place, 0) for place, end in found.items() if end > there.get(place, 0)}


async def until_committed(bootstrap: str, group: str, topics: Iterable[str], timeout_s: float = 10) -> None:
    """Wait until the group has committed all there is."""
    names = list(topics)
    async with asyncio.timeout(timeout_s):
        while await lagging(bootstrap, group, names):
            await asyncio.sleep(0.2)
