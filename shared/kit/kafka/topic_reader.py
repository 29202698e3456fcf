"""Reads the current content of topics, without a group: for tools, not for services."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from shared.kit.kafka import aiokafka_patches
from shared.kit.kafka.close import close_quietly

log = logging.getLogger(__name__)

_POLL_MS = 500
_IDLE_TIMEOUT_S = 10.0
"""A partition that returns nothing for this long before its end is given up: it may have been deleted."""

Batches = dict[TopicPartition, list[ConsumerRecord]]


class ReadLimits(Struct, frozen=True, kw_only=True):
    """Which records are read: those since a time (None: all), and at most `records_max` of them."""

    since_ms: int | None = None
    records_max: int = 100_000


class TopicReader:
    """The records of some topics. After the iteration, `truncated` is True if not all of them were read."""

    def __init__(self, options: Mapping[str, Any], topics: Iterable[str], limits: ReadLimits) -> None:
        self.truncated = False
        self.count = 0
        """The number of records read so far."""
        self._options = options
        self._topics = sorted(topics)
        self._limits = limits

    async def records(self) -> AsyncGenerator[ConsumerRecord, None]:
        """Yield the records of each partition in order, up to its end at the start. Raises KafkaError."""
        partitions = [
            TopicPartition(topic, partition)
            for topic, count in (await partitions_of(self._options, self._topics.__contains__)).items()
            for partition in range(count)
        ]
        if not partitions:
            return
        async with _consumer(self._options) as consumer:
            async for record in self._read(consumer, await self._open(consumer, partitions)):
                yield record

    async def _open(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Assign the partitions that are not empty, at their first record; return their end offsets."""
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        if self._limits.since_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, self._limits.since_ms))
            begins = {
                partition: found[partition].offset if found.get(partition) else ends[partition]
                for partition in partitions
            }
        not_empty = [partition for partition in partitions if begins[partition] < ends[partition]]
        consumer.assign(not_empty)
        for partition in not_empty:
            consumer.seek(partition, begins[partition])
        return {partition: ends[partition] for partition in not_empty}

    async def _read(
        self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
    ) -> AsyncIterator[ConsumerRecord]:
        while ends:
            try:
                async with asyncio.timeout(_IDLE_TIMEOUT_S):
                    batches = await _next_batches(consumer, ends)
            except TimeoutError:
                topics = sorted({partition.topic for partition in ends})
                log.warning("reading was given up: %s", ", ".join(topics))
                self.truncated = True
                return
            for partition, records in batches.items():
                for record in records:
                    if record.offset >= ends.get(partition, 0):
                        break
                    if self.count >= self._limits.records_max:
                        self.truncated = True
                        return
                    self.count += 1
                    yield record
            for partition in list(ends):
                if await consumer.position(partition) >= ends[partition]:
                    del ends[partition]
                    consumer.pause(partition)


async def partitions_of(options: Mapping[str, Any], wanted: Callable[[str], bool]) -> dict[str, int]:
    """Return the number of partitions of each existing topic that is wanted. Raises KafkaError."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        names = [name for name in await admin.list_topics() if wanted(name)]
        described = await admin.describe_topics(names) if names else []
        return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}
    finally:
        await close_quietly(admin.close)


@asynccontextmanager
async def _consumer(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    aiokafka_patches.require_applied()
    consumer = AIOKafkaConsumer(
        group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", **options
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await close_quietly(consumer.stop)


async def _next_batches(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> Batches:
    """Return the next records, or none if a partition's end was reached without any."""
    while True:
        batches: Batches = await consumer.getmany(timeout_ms=_POLL_MS)
        if batches or any([await consumer.position(partition) >= end for partition, end in ends.items()]):
            return batches
