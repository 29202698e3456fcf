"""Reads what stands in topics at this moment, without a group: for tools that look, not for services."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from shared.kit.kafka import steady
from shared.kit.kafka.close import close_quietly

log = logging.getLogger(__name__)

steady.install()

_POLL_MS = 500
_SILENT_S = 10.0
"""What gives nothing for so long, although there is more, was perhaps deleted meanwhile: it is given up."""


class Bounds(Struct, frozen=True, kw_only=True):
    """How much is looked at: from a time on (None: from the beginning), and so many records at most."""

    since_ms: int | None = None
    records_max: int = 100_000


class TopicReader:
    """Records of some topics. `cut` tells, after the iteration, that there were more than the bound."""

    def __init__(self, options: Mapping[str, Any], topics: Iterable[str], bounds: Bounds) -> None:
        self.cut = False
        self.seen = 0
        self._options = options
        self._topics = sorted(topics)
        self._bounds = bounds

    async def records(self) -> AsyncGenerator[ConsumerRecord, None]:
        """Each partition in its order, up to what was its end at the start. Raises KafkaError."""
        places = [
            TopicPartition(topic, partition)
            for topic, count in (await partitions_of(self._options, self._topics.__contains__)).items()
            for partition in range(count)
        ]
        if not places:
            return
        async with _consumer(self._options) as consumer:
            async for record in self._read(consumer, await self._open(consumer, places)):
                yield record

    async def _open(
        self, consumer: AIOKafkaConsumer, places: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Assign what holds something, each at its first record; returns where each ends now."""
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        if self._bounds.since_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(places, self._bounds.since_ms))
            begins = {place: found[place].offset if found.get(place) else ends[place] for place in places}
        open_places = [place for place in places if begins[place] < ends[place]]
        consumer.assign(open_places)
        for place in open_places:
            consumer.seek(place, begins[place])
        return {place: ends[place] for place in open_places}

    async def _read(
        self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
    ) -> AsyncIterator[ConsumerRecord]:
        while ends:
            try:
                async with asyncio.timeout(_SILENT_S):
                    batches = await _some(consumer, ends)
            except TimeoutError:
                log.warning("gave up to read %s", ", ".join(sorted({place.topic for place in ends})))
                self.cut = True
                return
            for place, records in batches.items():
                for record in records:
                    if record.offset >= ends.get(place, 0):
                        break
                    if self.seen >= self._bounds.records_max:
                        self.cut = True
                        return
                    self.seen += 1
                    yield record
            for place in list(ends):
                if await consumer.position(place) >= ends[place]:
                    del ends[place]
                    consumer.pause(place)


async def partitions_of(options: Mapping[str, Any], wanted: Callable[[str], bool]) -> dict[str, int]:
    """The topics that are there and wanted, and how many partitions each has. Raises KafkaError."""
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
    consumer = AIOKafkaConsumer(
        group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", **options
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await close_quietly(consumer.stop)


async def _some(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """The next records, or nothing when the positions moved without any."""
    while True:
        batches: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(timeout_ms=_POLL_MS)
        if batches or any([await consumer.position(place) >= end for place, end in ends.items()]):
            return batches
