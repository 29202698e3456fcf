"""An intake for records that may not be refused: when too much is in hand, it stops to read for a while.

A request past a bound is answered with `mesh.busy`; an event has nobody to answer to. So its partitions
are paused (the group goes on beating) and read on when half of the work is done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from aiokafka import ConsumerRecord, TopicPartition

from shared.kit.kafka.consumer import Ack, PartitionConsumer
from shared.kit.kafka.keyed_executor import KeyedExecutor

Work = Callable[[ConsumerRecord, asyncio.Event], Awaitable[bool]]
"""Processes a record; False when it gave up because the event was set: the partition goes to others."""


class _Place:
    """A partition for as long as the group leaves it to us."""

    def __init__(self) -> None:
        self.running = 0
        self.gone = asyncio.Event()


class PausingConsumer(PartitionConsumer):
    """Works on records in order for each key, on different keys side by side."""

    def __init__(
        self,
        work: Work,
        *,
        in_hand_max: int,
        records_max: int,
        drain_timeout_s: float,
        on_assigned: Callable[[], None],
    ) -> None:
        super().__init__(self._submit, drain_timeout_s=drain_timeout_s, on_assigned=on_assigned)
        self._work = work
        self._in_hand_max = in_hand_max
        # What one poll brings is taken before the pause holds.
        room = in_hand_max + records_max
        self._lanes = KeyedExecutor(lane_max=room, jobs_max=room)
        self._places: dict[TopicPartition, _Place] = {}

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The group gave us these partitions; those of before are new ones too."""
        places = list(assigned)
        self._places.update({place: _Place() for place in places})
        await super().on_partitions_assigned(places)
        self._pause_when_full()

    def _submit(self, record: ConsumerRecord, finished: Ack) -> None:
        place = self._places[TopicPartition(record.topic, record.partition)]
        # The log keeps order within a topic only; what has no key has no order to keep.
        key = record.key if record.key is not None else b"%d %d" % (record.partition, record.offset)
        lane = record.topic.encode() + b" " + key
        if not self._lanes.submit(lane, partial(self._run, place, record, finished)):
            raise RuntimeError("more records were read than there is room for")
        self._pause_when_full()

    async def _run(self, place: _Place, record: ConsumerRecord, finished: Ack) -> None:
        if not place.gone.is_set():
            place.running += 1
            try:
                if await self._work(record, place.gone):
                    finished()
            finally:
                place.running -= 1
                self._moved.set()
        self._resume_when_half()

    async def _drain(self, places: list[TopicPartition]) -> None:
        """What waits is given up, because others will read it again; what runs may finish."""
        leaving = [self._places[place] for place in places if place in self._places]
        for place in leaving:
            place.gone.set()
        try:
            async with asyncio.timeout(self._drain_timeout_s):
                while any(place.running for place in leaving):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            pass

    def _pause_when_full(self) -> None:
        consumer = self._consumer()
        if consumer is not None and len(self._lanes) >= self._in_hand_max:
            consumer.pause(*consumer.assignment())

    def _resume_when_half(self) -> None:
        consumer = self._consumer()
        if consumer is None or self._stopping or len(self._lanes) > self._in_hand_max // 2:
            return
        if paused := consumer.paused():
            consumer.resume(*paused)
