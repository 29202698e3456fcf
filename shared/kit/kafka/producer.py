"""Sends records in batches that form by themselves.

All that is sent to a partition while its last batch is on the way goes out as the next one: with one
caller that is a batch of one and costs nothing, under load it saves most of the cost of a record.
What waits or is on the way is bounded, in records for each partition and in bytes for all of them.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.kit.kafka.close import close_quietly
from shared.kit.kafka.partitioner import partition_for
from shared.kit.kafka.producer_batch import BATCH_MAX_BYTES, Delivery, Record, filled, know, settle

log = logging.getLogger(__name__)

HELD_MAX_BYTES = 128 * 1024 * 1024

_PARTITIONS_MAX_AGE_S = 300.0
_LINES_MAX = 4096
_STOP_TIMEOUT_S = 2.0


class Producer:
    """One Kafka producer of a process, for requests and replies."""

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        timeout_ms: int,
        waiting_max: int,
        held_max_bytes: int = HELD_MAX_BYTES,
    ) -> None:
        self._options = {**options, "acks": "all", "request_timeout_ms": timeout_ms}
        self._timeout_s = timeout_ms / 1000
        self._waiting_max = waiting_max
        self._held_max_bytes = held_max_bytes
        self._waiting: dict[tuple[str, int], list[Record]] = {}
        self._counts: dict[str, tuple[int, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._kafka: AIOKafkaProducer | None = None
        self.held_bytes = 0
        """The size of all records that wait or are on the way."""

    async def start(self) -> None:
        """Connect; raises KafkaError while no broker answers."""
        kafka = AIOKafkaProducer(max_batch_size=BATCH_MAX_BYTES, **self._options)
        try:
            await kafka.start()
        except BaseException:
            await close_quietly(kafka.stop)
            raise
        self._kafka = kafka

    async def stop(self) -> None:
        """Send what waits and close; without a broker that is given up after some seconds."""
        await close_quietly(self._stop, _STOP_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()

    async def _stop(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._kafka is not None:
            await self._kafka.stop()

    async def ping(self) -> None:
        """Ask the brokers for a sign of life. Raises KafkaError when there is none."""
        await self._producer().client.fetch_all_metadata()

    def known_partition(self, topic: str, key: bytes) -> int | None:
        """The partition of a key when the topic was looked up of late, without waiting."""
        count, until = self._counts.get(topic, (0, 0.0))
        return partition_for(key, count) if until > time.monotonic() else None

    async def partition_of(self, topic: str, key: bytes) -> int:
        """The partition of a key, the same as for every Kafka client (murmur2)."""
        if (known := self.known_partition(topic, key)) is not None:
            return known
        count = len(await self._producer().partitions_for(topic))
        self._counts[topic] = (count, time.monotonic() + _PARTITIONS_MAX_AGE_S)
        return partition_for(key, count)

    def send(self, topic: str, partition: int, record: Record) -> bool:
        """Put a record into the partition's next batch; False when too much waits already."""
        place = (topic, partition)
        waiting = self._waiting.get(place)
        size = record.size
        if self.held_bytes + size > self._held_max_bytes:
            return False
        if waiting is None:
            if len(self._waiting) >= _LINES_MAX:
                return False
            self._waiting[place] = [record]
            task = asyncio.create_task(self._flush(topic, partition))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif len(waiting) >= self._waiting_max:
            return False
        else:
            waiting.append(record)
        self.held_bytes += size
        return True

    async def _flush(self, topic: str, partition: int) -> None:
        place = (topic, partition)
        while rest := self._waiting[place]:
            self._waiting[place] = []
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._hand_over(topic, partition, rest)
            except Exception as error:  # noqa: BLE001 - the line must go on and the callers must know
                log.warning("%d record(s) for %s could not be sent: %r", len(rest), topic, error)
                self._settle(rest, error)
        del self._waiting[place]

    async def _hand_over(self, topic: str, partition: int, rest: list[Record]) -> None:
        """Empty the list batch by batch; returns when the last was accepted, not when it is written."""
        producer = self._producer()
        await know(producer.client, topic)
        while rest:
            batch = producer.create_batch()
            count = filled(batch, rest)
            if count == 0:
                self._settle([rest.pop(0)], ValueError("larger than a batch may be"))
                continue
            delivery = await producer.send_batch(batch, topic, partition=partition)
            delivery.add_done_callback(Delivery(topic, rest[:count], self._settle))
            del rest[:count]

    def _settle(self, records: list[Record], error: BaseException | None) -> None:
        self.held_bytes -= sum(record.size for record in records)
        settle(records, error)

    def _producer(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise KafkaError("the producer was not started")
        return self._kafka


__all__ = ["Producer", "Record"]
