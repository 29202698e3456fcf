"""Sends lines of records to Kafka, each line in order, and only as long as a lease holds."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
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
from shared.kit.outbox.records import LeaseLost, Line, OutboxRecord, Rejected

_BATCH_BYTES = 512 * 1024
"""Well below the broker's default bound; a topic with a lower one gets smaller batches when it says so."""
_RECORD_BYTES_MAX = 16 * 1024 * 1024
_OVERHEAD_BYTES = 512
"""More than key and headers of a record take."""
_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)
_REQUEST_TIMEOUT_MS = 10_000
_LOOK_S = 0.25
_BACKOFF_MS = 250
_CLOSE_S = 2.0


class OutboxPublisher:
    """An idempotent producer that writes nothing to the network once `fence()` is false."""

    def __init__(self, options: Mapping[str, Any], fence: Callable[[], bool]) -> None:
        self._options = options
        self._fence = fence
        self._limits: dict[str, int] = {}
        self._kafka: AIOKafkaProducer | None = None

    async def ready(self) -> None:
        """Connect when there is no connection. Raises KafkaError while no broker answers."""
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

    async def line_of(self, topic: str, key: bytes) -> Line:
        """Where Kafka's usual partitioner (murmur2) puts a key."""
        return topic, partition_for(key, len(await self._producer().partitions_for(topic)))

    async def send(
        self, lines: Mapping[Line, Sequence[OutboxRecord]], taken: Callable[[OutboxRecord], None]
    ) -> list[Rejected]:
        """Send all lines side by side; `taken` hears of each record that Kafka has.

        A line ends at its first failure. Gives the records that Kafka refuses for good. Raises `LeaseLost`,
        and KafkaError when something else failed; in every such case the producer must be killed, because an
        idempotent producer can not go on after a gap in its sequence.
        """
        tasks = [asyncio.create_task(self._send_line(line, lines[line], taken)) for line in lines]
        try:
            pending = set(tasks)
            while pending:
                _, pending = await asyncio.wait(pending, timeout=_LOOK_S)
                if pending and not self._fence():
                    raise LeaseLost
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return self._sort(outcomes)

    async def close(self) -> None:
        """Close in an orderly way; nothing is on its way."""
        kafka, self._kafka = self._kafka, None
        if kafka is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_S):
                await kafka.stop()
        except (TimeoutError, KafkaError):
            await abort_producer(kafka)

    async def kill(self) -> None:
        """Drop the producer with all that it still had; the next `ready` makes a new one."""
        kafka, self._kafka = self._kafka, None
        if kafka is not None:
            await abort_producer(kafka)

    async def _send_line(
        self, line: Line, parcels: Sequence[OutboxRecord], taken: Callable[[OutboxRecord], None]
    ) -> Rejected | None:
        """One batch after another: the next one begins when Kafka has the last."""
        start = 0
        while start < len(parcels):
            if len(parcels[start].value) > _RECORD_BYTES_MAX:
                return _refused(line, parcels[start], "too large for any broker")
            batch, end = self._fill(line[0], parcels, start)
            try:
                await (await self._producer().send_batch(batch, line[0], partition=line[1]))
            except _REFUSALS as error:
                if end - start == 1:
                    return _refused(line, parcels[start], type(error).__name__)
                self._limits[line[0]] = self._limit(line[0]) // 4
                raise
            for parcel in parcels[start:end]:
                taken(parcel)
            start = end
        return None

    def _fill(self, topic: str, parcels: Sequence[OutboxRecord], start: int) -> tuple[Any, int]:
        """A batch of as many as fit, at least one, and the place of the first that is not in it."""
        batch, end, written_ms = self._producer().create_batch(), start, now_ms()
        limit = self._limit(topic)
        while end < len(parcels):
            parcel = parcels[end]
            if end > start and batch.size() + len(parcel.value) + _OVERHEAD_BYTES > limit:
                break
            batch.append(key=parcel.key, value=parcel.value, timestamp=written_ms, headers=parcel.headers)
            end += 1
        batch.close()
        return batch, end

    def _limit(self, topic: str) -> int:
        return self._limits.get(topic, _BATCH_BYTES)

    def _sort(self, outcomes: Sequence[Rejected | BaseException | None]) -> list[Rejected]:
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, _REFUSALS):
                raise outcome
        refused = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
        for outcome in outcomes:
            if not refused and isinstance(outcome, BaseException):
                raise outcome
        return refused

    def _producer(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise KafkaConnectionError("not connected")
        return self._kafka


def _refused(line: Line, parcel: OutboxRecord, why: str) -> Rejected:
    return Rejected(line, parcel, f"{why}: {len(parcel.value)} bytes")
