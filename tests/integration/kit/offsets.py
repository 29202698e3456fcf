"""Committed offsets of a group and end offsets of topics."""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

Offsets = dict[TopicPartition, int]


async def committed(bootstrap: str, group: str) -> Offsets:
    """Return the committed offset of each partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {partition: offset.offset for partition, offset in offsets.items() if offset.offset >= 0}


async def ends(bootstrap: str, topics: Iterable[str], partitions: int = 4) -> Offsets:
    """Return the end offset of each partition: the next record will have it."""
    assigned = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        offsets: Offsets = await consumer.end_offsets(assigned)
    finally:
        await consumer.stop()
    return offsets


async def lagging(bootstrap: str, group: str, topics: Iterable[str]) -> Offsets:
    """Return the number of uncommitted records of each partition that has some."""
    done = await committed(bootstrap, group)
    lags = {
        partition: end - done.get(partition, 0) for partition, end in (await ends(bootstrap, topics)).items()
    }
    return {partition: lag for partition, lag in lags.items() if lag > 0}


async def until_committed(bootstrap: str, group: str, topics: Iterable[str], timeout_s: float = 10) -> None:
    """Wait until the group has committed all records."""
    names = list(topics)
    async with asyncio.timeout(timeout_s):
        while await lagging(bootstrap, group, names):
            await asyncio.sleep(0.2)
