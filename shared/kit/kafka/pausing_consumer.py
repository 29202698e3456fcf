"""A consumer for records that may not be rejected: it pauses while too many are in flight.

A request beyond a bound is answered with `mesh.busy`, but an event has no caller to answer. So the partitions
are paused (heartbeats to the group go on) and resumed once half of the records are processed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from aiokafka import ConsumerRecord, TopicPartition

from shared.kit.kafka.consumer import Ack, PartitionConsumer
from shared.kit.kafka.keyed_executor import KeyedExecutor

Process = Callable[[ConsumerRecord, asyncio.Event], Awaitable[bool]]
"""Processes a record. Returns False if it gave up because the event, `revoked`, was set."""


class PartitionState:
    """A partition, for as long as the group assigns it to this member."""

    def __init__(self) -> None:
        self.running = 0
        self.revoked = asyncio.Event()


class PausingConsumer(PartitionConsumer):
    """Processes records with the same key in order, and records with different keys concurrently."""

    def __init__(
        self,
        process: Process,
        *,
        in_flight_max: int,
        records_max: int,
        drain_timeout_s: float,
        on_assigned: Callable[[], None],
    ) -> None:
        super().__init__(self._submit, drain_timeout_s=drain_timeout_s, on_assigned=on_assigned)
        self._process = process
        self._in_flight_max = in_flight_max
        # The records of one poll are submitted before the pause takes effect.
        jobs_max = in_flight_max + records_max
        self._executor = KeyedExecutor(per_key_max=jobs_max, jobs_max=jobs_max)
        self._states: dict[TopicPartition, PartitionState] = {}

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Track the assigned partitions, with a new state also for those that were assigned before."""
        partitions = list(assigned)
        self._states.update({partition: PartitionState() for partition in partitions})
        await super().on_partitions_assigned(partitions)
        self._pause_when_full()

    def _submit(self, record: ConsumerRecord, ack: Ack) -> None:
        state = self._states[TopicPartition(record.topic, record.partition)]
        # Kafka keeps order within a topic only; records without a key have no order to keep.
        key = record.key if record.key is not None else b"%d %d" % (record.partition, record.offset)
        topic_key = record.topic.encode() + b" " + key
        if not self._executor.submit(topic_key, partial(self._run, state, record, ack)):
            raise RuntimeError("more records were read than may be in flight")
        self._pause_when_full()

    async def _run(self, state: PartitionState, record: ConsumerRecord, ack: Ack) -> None:
        if not state.revoked.is_set():
            state.running += 1
            try:
                if await self._process(record, state.revoked):
                    ack()
            finally:
                state.running -= 1
                self._progress.set()
        self._resume_when_half()

    async def _drain(self, partitions: list[TopicPartition]) -> None:
        """Give up the waiting records, because other members will read them; let the running ones finish."""
        revoked = [self._states[partition] for partition in partitions if partition in self._states]
        for state in revoked:
            state.revoked.set()
        try:
            async with asyncio.timeout(self._drain_timeout_s):
                while any(state.running for state in revoked):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            pass

    def _pause_when_full(self) -> None:
        consumer = self._consumer()
        if consumer is not None and len(self._executor) >= self._in_flight_max:
            consumer.pause(*consumer.assignment())

    def _resume_when_half(self) -> None:
        consumer = self._consumer()
        if consumer is None or self._stopping or len(self._executor) > self._in_flight_max // 2:
            return
        if paused := consumer.paused():
            consumer.resume(*paused)
