"""Sends records in batches that form by themselves.

All that is sent to a partition while its last batch is on the way goes out as the next one: with one
caller that is a batch of one and costs nothing, under load it saves most of the cost of a record.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from msgspec import Struct

from shared.kit.wire import Headers

log = logging.getLogger(__name__)

OnFailure = Callable[[BaseException], None]

_PARTITIONS_MAX_AGE_S = 300.0
_LINES_MAX = 4096
_BATCH_MAX_BYTES = 512 * 1024
"""Well below the broker's default bound of a batch; a single larger record still goes alone."""


class Record(Struct):
    """A record that waits for its batch; `on_failure` is called when it surely was not written."""

    key: bytes | None
    value: bytes
    headers: Headers
    on_failure: OnFailure | None = None


class Producer:
    """One Kafka producer of a process, for requests and replies."""

    def __init__(self, options: Mapping[str, Any], *, timeout_ms: int, waiting_max: int) -> None:
        self._options = {**options, "acks": "all", "request_timeout_ms": timeout_ms}
        self._timeout_s = timeout_ms / 1000
        self._waiting_max = waiting_max
        self._waiting: dict[tuple[str, int], list[Record]] = {}
        self._counts: dict[str, tuple[float, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._kafka: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; raises KafkaError while no broker answers."""
        kafka = AIOKafkaProducer(max_batch_size=_BATCH_MAX_BYTES, **self._options)
        try:
            await kafka.start()
        except BaseException:
            await kafka.stop()
            raise
        self._kafka = kafka

    async def stop(self) -> None:
        """Send what waits, bounded by the timeout, and close."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._timeout_s)
        if self._kafka is not None:
            await self._kafka.stop()

    async def ping(self) -> None:
        """Ask the brokers for a sign of life. Raises KafkaError when there is none."""
        await self._producer().client.fetch_all_metadata()

    async def partition_of(self, topic: str, key: bytes) -> int:
        """The partition of a key, the same as for every Kafka client (murmur2)."""
        loop = asyncio.get_running_loop()
        cached = self._counts.get(topic)
        if cached is None or cached[0] < loop.time():
            count = len(await self._producer().partitions_for(topic))
            cached = (loop.time() + _PARTITIONS_MAX_AGE_S, count)
            self._counts[topic] = cached
        return _hash(key) % cached[1]

    def send(self, topic: str, partition: int, record: Record) -> bool:
        """Put a record into the partition's next batch; False when too many wait already."""
        place = (topic, partition)
        waiting = self._waiting.get(place)
        if waiting is not None:
            if len(waiting) >= self._waiting_max:
                return False
            waiting.append(record)
            return True
        if len(self._waiting) >= _LINES_MAX:
            return False
        self._waiting[place] = [record]
        task = asyncio.create_task(self._flush(topic, partition))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _flush(self, topic: str, partition: int) -> None:
        place = (topic, partition)
        while records := self._waiting[place]:
            self._waiting[place] = []
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._send_batch(topic, partition, records)
            except Exception as error:  # whatever it is, the line must go on and the callers must know
                log.warning("%d record(s) for %s could not be sent: %r", len(records), topic, error)
                _fail(records, error)
        del self._waiting[place]

    async def _send_batch(self, topic: str, partition: int, records: list[Record]) -> None:
        """Hand the records over; returns when their last batch was accepted, not when it is written."""
        producer = self._producer()
        rest = records
        while rest:
            batch = producer.create_batch()
            taken = 0
            for record in rest:
                if (
                    batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
                    is None
                ):
                    break
                taken += 1
            if taken == 0:
                _fail(rest[:1], ValueError("larger than a batch may be"))
                taken = 1
            else:
                batch.close()
                delivery = await producer.send_batch(batch, topic, partition=partition)
                delivery.add_done_callback(_Delivery(topic, rest[:taken]))
            rest = rest[taken:]

    def _producer(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise RuntimeError("the producer was not started")
        return self._kafka


class _Delivery:
    """Tells the records of a batch when it could not be delivered."""

    def __init__(self, topic: str, records: list[Record]) -> None:
        self._topic = topic
        self._records = records

    def __call__(self, delivery: "asyncio.Future[Any]") -> None:
        error = delivery.exception() if not delivery.cancelled() else KafkaError("the producer closed")
        if error is not None:
            log.warning("%d record(s) for %s were not delivered: %r", len(self._records), self._topic, error)
            _fail(self._records, error)


def _fail(records: list[Record], error: BaseException) -> None:
    for record in records:
        if record.on_failure is not None:
            record.on_failure(error)


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF
