"""One consumer: records in batches, taken without waiting, committed up to the lowest unfinished one.

FastStream's `ack()` commits the whole position, and its automatic reply is awaited before the next
message, so both are done here by hand. Its batch parser decodes every header as UTF-8 and fails on
garbage, so the records come raw.
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

from shared.kit.kafka import steady
from shared.kit.kafka.offset_tracker import OffsetTracker

log = logging.getLogger(__name__)

steady.install()

Ack = Callable[[], None]
Accept = Callable[[ConsumerRecord, Ack], None]
Records = tuple[ConsumerRecord, ...]

COMMIT_INTERVAL_S = 0.5
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_INTERVAL_MS = 500
"""Also how soon a member learns of a rebalance."""
_COMMIT_TIMEOUT_S = 2.0
"""aiokafka tries for ever while no broker answers; a process that stops must not."""
_NEVER_MS = 10 * 365 * 86_400_000
"""After an empty poll FastStream sleeps as long as the poll was allowed to take: so no poll ends empty."""


class PartitionConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """Takes the records of one consumer; `accept` gets each with the function to call when it is done."""

    def __init__(self, accept: Accept, *, drain_timeout_s: float, on_assigned: Callable[[], None]) -> None:
        self._accept = accept
        self._drain_timeout_s = drain_timeout_s
        self._on_assigned = on_assigned
        self._marks: dict[TopicPartition, OffsetTracker] = {}
        self._moved = asyncio.Event()
        self._consumer: Callable[[], AIOKafkaConsumer | None] = lambda: None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def attach(self, broker: KafkaBroker, topics: Iterable[str], group_id: str, *, max_records: int) -> None:
        """Subscribe at a broker that was not started yet."""
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
        subscriber(self.take)
        self._consumer = lambda: subscriber.consumer

    def start(self) -> None:
        """Begin to commit what is finished."""
        self._task = asyncio.create_task(self._commit_always())

    async def take(self, records: Records) -> None:
        """Called by FastStream with what a poll brought; returns without waiting for any of it."""
        for record in records:
            if self._stopping:
                return
            mark = self._marks.get(TopicPartition(record.topic, record.partition))
            if mark is not None:
                mark.begin(record.offset)
                self._hand_on(record, self._finisher(mark, record.offset))

    async def stop(self) -> None:
        """Take no more, let what is in hand finish, commit. The consumer is stopped by its broker."""
        self._stopping = True
        consumer = self._consumer()
        if consumer is not None:
            consumer.pause(*consumer.assignment())
        await self._drain(list(self._marks))
        if self._task is not None:
            self._task.cancel()
        await self._commit()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group gave us these partitions."""
        self._marks.update({place: OffsetTracker() for place in assigned})
        self._on_assigned()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Others may get these: finish what is in hand for at most the drain time and commit it."""
        places = list(revoked)
        await self._drain(places)
        await self._commit()
        for place in places:
            self._marks.pop(place, None)

    def _hand_on(self, record: ConsumerRecord, finished: Ack) -> None:
        try:
            self._accept(record, finished)
        except Exception:
            # It stays unfinished, so it is not committed; those that came with it are taken all the same.
            log.exception("a record of %s could not be taken", record.topic)

    def _finisher(self, mark: OffsetTracker, offset: int) -> Ack:
        def finished() -> None:
            mark.finish(offset)
            self._moved.set()

        return finished

    async def _drain(self, places: list[TopicPartition]) -> None:
        try:
            async with asyncio.timeout(self._drain_timeout_s):
                while any(place in self._marks and self._marks[place].unfinished for place in places):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            log.info("some work of %d partition(s) was not done in time", len(places))

    async def _commit_always(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_S)
            try:
                await self._commit()
            except Exception:
                log.exception("a commit failed")

    async def _commit(self) -> None:
        consumer = self._consumer()
        due = {place: position for place, mark in self._marks.items() if (position := mark.due()) is not None}
        if consumer is None or not due:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await consumer.commit(due)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            # Tried again at the next turn; if the partition is somebody else's now, they do it over.
            log.info("a commit was refused: %r", error)
            return
        for place, position in due.items():
            if place in self._marks:
                self._marks[place].committed(position)


async def _raw_parser(records: Any) -> KafkaMessage:
    return KafkaMessage(raw_message=records, body=b"", headers={}, consumer=FAKE_CONSUMER)


async def _raw_decoder(message: KafkaMessage) -> Any:
    return message.raw_message
