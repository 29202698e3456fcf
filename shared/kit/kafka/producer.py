"""The producer of a process: it sends records in batches that form by themselves.

All records for a partition that arrive while its last batch is being accepted go out as the next batch. With
one caller that is a batch of one and costs nothing; under load it saves most of the cost of a record. The
records that wait or are in flight are bounded: in number for each partition, in bytes for all of them.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from msgspec import Struct

from shared.kit.kafka.aiokafka_patches import ensure_metadata
from shared.kit.kafka.close import close_quietly
from shared.kit.wire.headers import Headers

log = logging.getLogger(__name__)

OnDelivery = Callable[[BaseException | None], None]

HELD_MAX_BYTES = 128 * 1024 * 1024
BATCH_MAX_BYTES = 512 * 1024
"""Well below a broker's default limit for a batch; a single larger record still goes alone."""

_RECORD_OVERHEAD_BYTES = 512
"""About the memory that a record takes in addition to its value."""
_LINES_MAX = 4096
"""Partitions with records that wait, at the same time."""
_STOP_TIMEOUT_S = 2.0
_BY_KEY = -1
"""Stands for the partition of records whose topic has to be looked up first."""


class Record(Struct):
    """A record to send. `on_delivery` is called once: with None when it is written, otherwise with the error.

    An error does not always mean that it was not written: the broker's acknowledgement may have been lost.
    """

    key: bytes | None
    value: bytes
    headers: Headers
    on_delivery: OnDelivery | None = None


class Producer:
    """Sends requests and replies."""

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
        self._tasks: set[asyncio.Task[None]] = set()
        self._kafka: AIOKafkaProducer | None = None
        self.held_bytes = 0
        """The size of all records that wait or are in flight."""

    async def start(self) -> None:
        """Connect. Raises KafkaError while no broker answers."""
        kafka = AIOKafkaProducer(max_batch_size=BATCH_MAX_BYTES, **self._options)
        try:
            await kafka.start()
        except BaseException:
            await close_quietly(kafka.stop)
            raise
        self._kafka = kafka

    async def stop(self) -> None:
        """Send the waiting records and close, within two seconds."""
        await close_quietly(self._flush_and_stop, _STOP_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()

    async def ping(self) -> None:
        """Request metadata from the brokers. Raises KafkaError if none answers."""
        await self._connected().client.fetch_all_metadata()

    def send(self, topic: str, record: Record, partition: int | None = None) -> bool:
        """Add a record to its partition's next batch; return False if too many records are waiting.

        Without `partition` it is that of the record's key, as for every Kafka client (murmur2).
        """
        size = len(record.value) + _RECORD_OVERHEAD_BYTES
        if self.held_bytes + size > self._held_max_bytes:
            return False
        if partition is None:
            partition = self._partition_of(topic, record.key)
        if not self._enqueue((topic, partition), record):
            return False
        self.held_bytes += size
        return True

    def _partition_of(self, topic: str, key: bytes | None) -> int:
        partitions = self._kafka.client.cluster.partitions_for_topic(topic) if self._kafka else None
        return _BY_KEY if partitions is None else partition_for(key or b"", len(partitions))

    def _enqueue(self, line: tuple[str, int], record: Record) -> bool:
        waiting = self._waiting.get(line)
        if waiting is not None:
            if len(waiting) >= self._waiting_max:
                return False
            waiting.append(record)
            return True
        if len(self._waiting) >= _LINES_MAX:
            return False
        self._waiting[line] = [record]
        task = asyncio.create_task(self._flush(line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _flush(self, line: tuple[str, int]) -> None:
        """Send what waits for a partition, batch after batch, until nothing is left."""
        topic, partition = line
        while records := self._waiting[line]:
            self._waiting[line] = []
            try:
                async with asyncio.timeout(self._timeout_s):
                    kafka = self._connected()
                    if partition == _BY_KEY:
                        await kafka.partitions_for(topic)
                        self._distribute(topic, records)
                    else:
                        await ensure_metadata(kafka.client, topic)
                    while records:
                        await self._send_batch(kafka, line, records)
            except Exception as error:  # noqa: BLE001 - the next batch must go out, and the senders must know
                log.warning("%d record(s) for %s could not be sent: %r", len(records), topic, error)
                self._delivered(records, error)
        del self._waiting[line]

    def _distribute(self, topic: str, records: list[Record]) -> None:
        """Move records to the lines of their partitions, which are known by now."""
        rejected = [
            record
            for record in records
            if not self._enqueue((topic, self._partition_of(topic, record.key)), record)
        ]
        records.clear()
        self._delivered(rejected, KafkaError("too many records are waiting"))

    async def _send_batch(
        self, kafka: AIOKafkaProducer, line: tuple[str, int], records: list[Record]
    ) -> None:
        """Move the first records into a batch; return when it is accepted, not when it is written."""
        batch = kafka.create_batch()
        count = _fill_batch(batch, records)
        if count == 0:
            self._delivered([records.pop(0)], ValueError("larger than a batch may be"))
            return
        delivery = await kafka.send_batch(batch, line[0], partition=line[1])
        delivery.add_done_callback(partial(self._on_acknowledged, line[0], records[:count]))
        del records[:count]

    def _on_acknowledged(self, topic: str, records: list[Record], delivery: "asyncio.Future[Any]") -> None:
        error = KafkaError("the producer closed") if delivery.cancelled() else delivery.exception()
        if error is not None:
            log.warning("%d record(s) for %s were not delivered: %r", len(records), topic, error)
        self._delivered(records, error)

    def _delivered(self, records: list[Record], error: BaseException | None) -> None:
        """Report to each record's sender; one that raises does not keep the others from knowing."""
        for record in records:
            self.held_bytes -= len(record.value) + _RECORD_OVERHEAD_BYTES
            if record.on_delivery is not None:
                try:
                    record.on_delivery(error)
                except Exception:
                    log.exception("a callback for a delivery failed")

    async def _flush_and_stop(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._kafka is not None:
            await self._kafka.stop()

    def _connected(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise KafkaError("the producer was not started")
        return self._kafka


def partition_for(key: bytes, count: int) -> int:
    """Return the partition that Kafka's default partitioner (murmur2) gives a key in a topic of `count`."""
    return _hash(key) % count


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    """Return murmur2 of the key; cached, because aiokafka's is plain Python."""
    return int(murmur2(key)) & 0x7FFFFFFF


def _fill_batch(batch: Any, records: list[Record]) -> int:
    """Fill and close aiokafka's batch; return how many of the records it took."""
    count = 0
    for record in records:
        appended = batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
        if appended is None:
            break
        count += 1
    batch.close()
    return count
