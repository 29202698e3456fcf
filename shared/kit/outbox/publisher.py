"""Publishing outbox records to Kafka, each partition in order, and only while a lease holds."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from shared.kit.clock import now_ms
from shared.kit.kafka.aiokafka_patches import abort_producer, guard_sends
from shared.kit.kafka.producer import partition_for
from shared.kit.outbox.records import LeaseLost, OutboxRecord, Rejected

_BATCH_BYTES = 512 * 1024
"""Well below the broker's default bound; a topic with a lower one gets smaller ones after a rejection."""
_RECORD_BYTES_MAX = 16 * 1024 * 1024
_OVERHEAD_BYTES = 512
"""More than key and headers of a record take."""
_REJECTIONS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)
_REQUEST_TIMEOUT_MS = 10_000
_FENCE_CHECK_S = 0.25
_BACKOFF_MS = 250
_CLOSE_S = 2.0

OnAcked = Callable[[OutboxRecord], None]


class OutboxPublisher:
    """An idempotent producer that writes nothing to the network once `fence()` is false."""

    def __init__(self, options: Mapping[str, Any], fence: Callable[[], bool]) -> None:
        self._options = options
        self._fence = fence
        self._limits: dict[str, int] = {}
        self._kafka: AIOKafkaProducer | None = None

    async def connect(self) -> None:
        """Connect if there is no connection. Raises KafkaError while no broker answers."""
        if self._kafka is not None:
            return
        kafka = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            max_batch_size=2 * _RECORD_BYTES_MAX,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            retry_backoff_ms=_BACKOFF_MS,
        )
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_MS / 1000):
                await kafka.start()
        except BaseException:
            await abort_producer(kafka)
            raise
        guard_sends(kafka, self._fence)
        self._kafka = kafka

    async def partition_of(self, topic: str, key: bytes) -> TopicPartition:
        """Return the partition that Kafka's default partitioner (murmur2) assigns to a key."""
        return TopicPartition(topic, partition_for(key, len(await self._producer().partitions_for(topic))))

    async def send(
        self, by_partition: Mapping[TopicPartition, Sequence[OutboxRecord]], on_acked: OnAcked
    ) -> list[Rejected]:
        """Send to all partitions concurrently; call `on_acked` for each record that Kafka has.

        A partition ends at its first failure. Returns the records that Kafka rejects for good. Raises
        `LeaseLost`, and KafkaError for any other failure; abort the producer in all these cases, because an
        idempotent producer cannot go on after a gap in its sequence.
        """
        tasks = [
            asyncio.create_task(self._send_partition(partition, records, on_acked))
            for partition, records in by_partition.items()
        ]
        try:
            pending = set(tasks)
            while pending:
                _, pending = await asyncio.wait(pending, timeout=_FENCE_CHECK_S)
                if pending and not self._fence():
                    raise LeaseLost
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return self._rejected(outcomes)

    async def close(self) -> None:
        """Close the producer; call it while no record is in flight."""
        kafka, self._kafka = self._kafka, None
        if kafka is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_S):
                await kafka.stop()
        except (TimeoutError, KafkaError):
            await abort_producer(kafka)

    async def abort(self) -> None:
        """Drop the producer with all its unsent records; the next `connect` makes a new one."""
        kafka, self._kafka = self._kafka, None
        if kafka is not None:
            await abort_producer(kafka)

    async def _send_partition(
        self, partition: TopicPartition, records: Sequence[OutboxRecord], on_acked: OnAcked
    ) -> Rejected | None:
        """Send one batch after another, each when Kafka has the one before."""
        topic, start = partition.topic, 0
        while start < len(records):
            if len(records[start].value) > _RECORD_BYTES_MAX:
                return _reject(partition, records[start], "too large for any broker")
            batch, end = self._fill_batch(topic, records, start)
            try:
                await (await self._producer().send_batch(batch, topic, partition=partition.partition))
            except _REJECTIONS as error:
                if end - start == 1:
                    return _reject(partition, records[start], type(error).__name__)
                self._limits[topic] = self._limit(topic) // 4
                raise
            for record in records[start:end]:
                on_acked(record)
            start = end
        return None

    def _fill_batch(self, topic: str, records: Sequence[OutboxRecord], start: int) -> tuple[Any, int]:
        """Return a batch of as many records as fit, at least one, and the index of the first left out."""
        batch, end, written_ms = self._producer().create_batch(), start, now_ms()
        limit = self._limit(topic)
        while end < len(records):
            record = records[end]
            if end > start and batch.size() + len(record.value) + _OVERHEAD_BYTES > limit:
                break
            batch.append(key=record.key, value=record.value, timestamp=written_ms, headers=record.headers)
            end += 1
        batch.close()
        return batch, end

    def _limit(self, topic: str) -> int:
        return self._limits.get(topic, _BATCH_BYTES)

    def _rejected(self, outcomes: Sequence[Rejected | BaseException | None]) -> list[Rejected]:
        """Return the rejected records; raise the first error if there are none, or if it is another one."""
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, _REJECTIONS):
                raise outcome
        rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
        for outcome in outcomes:
            if not rejected and isinstance(outcome, BaseException):
                raise outcome
        return rejected

    def _producer(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise KafkaConnectionError("not connected")
        return self._kafka


def _reject(partition: TopicPartition, record: OutboxRecord, reason: str) -> Rejected:
    return Rejected(partition, record, f"{reason}: {len(record.value)} bytes")
