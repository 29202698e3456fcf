"""A member of a consumer group: it dispatches batches without waiting for their records, and commits each
partition up to its lowest uncompleted record.

FastStream's `ack()` commits the whole position, and its automatic reply is awaited before the next message,
so both are done here instead. Records are left unparsed because FastStream's batch parser decodes every
header as UTF-8 and fails on others (https://github.com/ag2ai/faststream/issues/2458).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from shared.kit.kafka import aiokafka_patches
from shared.kit.kafka.offset_tracker import OffsetTracker

log = logging.getLogger(__name__)

Ack = Callable[[], None]
"""Reports that a record is processed, so that its offset may be committed."""
Handler = Callable[[ConsumerRecord, Ack], None]
"""Starts to process a record and returns without waiting."""
Records = tuple[ConsumerRecord, ...]

COMMIT_INTERVAL_S = 0.5
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_INTERVAL_MS = 500
"""A member also learns of a rebalance within this time."""
_COMMIT_TIMEOUT_S = 2.0
"""aiokafka retries without a limit while no broker answers; a process that stops must not."""
_NEVER_MS = 10 * 365 * 86_400_000
"""After an empty poll FastStream sleeps as long as the poll could have taken; so no poll may end empty."""


class PartitionConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes each record to `handler`, with the function to call once it is processed."""

    def __init__(self, handler: Handler, *, drain_timeout_s: float, on_assigned: Callable[[], None]) -> None:
        self._handler = handler
        self._drain_timeout_s = drain_timeout_s
        self._on_assigned = on_assigned
        self._trackers: dict[TopicPartition, OffsetTracker] = {}
        self._progress = asyncio.Event()
        self._consumer: Callable[[], AIOKafkaConsumer | None] = lambda: None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def attach(self, broker: KafkaBroker, topics: Iterable[str], group_id: str, *, max_records: int) -> None:
        """Subscribe at a broker that is not started yet."""
        aiokafka_patches.require_applied()
        subscriber = broker.subscriber(
            *topics,
            batch=True,
            group_id=group_id,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
            fetch_max_wait_ms=500,
            max_records=max_records,
            batch_timeout_ms=_NEVER_MS,
            listener=self,
            parser=_raw_parser,
            decoder=_raw_decoder,
        )
        subscriber(self.on_batch)
        self._consumer = lambda: subscriber.consumer

    def start(self) -> None:
        """Begin to commit."""
        self._task = asyncio.create_task(self._commit_periodically())

    async def on_batch(self, records: Records) -> None:
        """Start to process the records of a poll; called by FastStream."""
        for record in records:
            if self._stopping:
                return
            tracker = self._trackers.get(TopicPartition(record.topic, record.partition))
            if tracker is not None:
                tracker.start(record.offset)
                self._handle(record, self._ack_of(tracker, record.offset))

    async def stop(self) -> None:
        """Start no more, drain what is in flight, commit. The broker stops the consumer itself."""
        self._stopping = True
        consumer = self._consumer()
        if consumer is not None:
            consumer.pause(*consumer.assignment())
        await self._drain(list(self._trackers))
        if self._task is not None:
            self._task.cancel()
        await self._commit()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Track the partitions that the group assigned to this member."""
        self._trackers.update({partition: OffsetTracker() for partition in assigned})
        self._on_assigned()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Drain and commit these partitions, within the drain timeout: other members may get them."""
        partitions = list(revoked)
        await self._drain(partitions)
        await self._commit()
        for partition in partitions:
            self._trackers.pop(partition, None)

    def _handle(self, record: ConsumerRecord, ack: Ack) -> None:
        try:
            self._handler(record, ack)
        except Exception:
            # It stays uncompleted, so it is not committed; the other records of the poll go on.
            log.exception("a record of %s could not be dispatched", record.topic)

    def _ack_of(self, tracker: OffsetTracker, offset: int) -> Ack:
        def ack() -> None:
            tracker.complete(offset)
            self._progress.set()

        return ack

    async def _drain(self, partitions: list[TopicPartition]) -> None:
        try:
            async with asyncio.timeout(self._drain_timeout_s):
                while any(
                    partition in self._trackers and self._trackers[partition].unfinished
                    for partition in partitions
                ):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            log.info("some records of %d partition(s) were not processed in time", len(partitions))

    async def _commit_periodically(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            try:
                await self._commit()
            except Exception:
                log.exception("a commit failed")

    async def _commit(self) -> None:
        consumer = self._consumer()
        offsets = {
            partition: position
            for partition, tracker in self._trackers.items()
            if (position := tracker.committable()) is not None
        }
        if consumer is None or not offsets:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await consumer.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            # Retried at the next interval; if the partition was reassigned, its new owner processes again.
            log.info("a commit was rejected: %r", error)
            return
        for partition, position in offsets.items():
            if partition in self._trackers:
                self._trackers[partition].committed(position)


async def _raw_parser(records: Any) -> KafkaMessage:
    return KafkaMessage(raw_message=records, body=b"", headers={}, consumer=FAKE_CONSUMER)


async def _raw_decoder(message: KafkaMessage) -> Any:
    return message.raw_message
