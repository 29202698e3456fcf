"""Reads a topic without a group: from a point in time to its end, and then whatever comes."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter

from shared.kit.kafka import aiokafka_patches
from shared.kit.kafka.close import close_quietly
from shared.kit.security.record_signatures import RecordSigner, note_refused

log = logging.getLogger(__name__)

_RETRY_AFTER_S = 1.0
_POLL_MS = 1_000
_SLOW_START_S = 5.0
_skipped = Counter("concord_tail_skipped", "Records of a followed topic that could not be read", ["topic"])

Offsets = dict[TopicPartition, int]


class TopicTailer:
    """Follows a topic for one process. A record may be handed on twice: after trouble it reads back again.

    `on_value` gets the bytes of a record that this mesh signed; what it raises is logged and counted, and the
    record passed over.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        topic: str,
        signatures: RecordSigner,
        since: Callable[[], datetime],
        on_value: Callable[[bytes], None],
        on_caught_up: Callable[[], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._options = options
        self._topic = topic
        self._signatures = signatures
        self._since = since
        self._on_value = on_value
        self._on_caught_up = on_caught_up
        self._on_trouble = on_trouble
        self._consumer: AIOKafkaConsumer | None = None
        self._skipped = _skipped.labels(topic)

    async def follow(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError) as error:
                log.warning("%s can not be read: %r", self._topic, error)
                self._on_trouble(f"{self._topic} can not be read: {type(error).__name__}")
                await asyncio.sleep(_RETRY_AFTER_S)

    async def _follow(self) -> None:
        """One connection's life. Raises KafkaError."""
        aiokafka_patches.require_applied()
        # Without a group the topic's partitions are all assigned, also those that come later; these,
        # and a log that was cut beyond the position, are read from their beginning.
        consumer = AIOKafkaConsumer(
            self._topic,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **self._options,
        )
        try:
            await self._start(consumer)
            await self._read(consumer, await self._seek(consumer))
        finally:
            await close_quietly(consumer.stop)

    async def _start(self, consumer: AIOKafkaConsumer) -> None:
        """Raises KafkaError; for a topic that is missing only after 40 s, so that it waits is said before."""
        waits = f"{self._topic} is waited for"
        slow = asyncio.get_running_loop().call_later(_SLOW_START_S, self._on_trouble, waits)
        try:
            await consumer.start()
        finally:
            slow.cancel()

    async def _seek(self, consumer: AIOKafkaConsumer) -> Offsets:
        """Go to the point in time; returns where each partition ended before that was looked up."""
        places = consumer.assignment()
        ends: Offsets = await consumer.end_offsets(places)
        since_ms = int(self._since().timestamp() * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(places, since_ms))
        for place in places:
            # Nothing so new was there a moment ago: what comes now stands at the end or behind it.
            consumer.seek(place, ends[place] if found[place] is None else found[place].offset)
        return ends

    async def _read(self, consumer: AIOKafkaConsumer, ends: Offsets) -> None:
        behind = set(ends)
        while True:
            if behind:
                behind = {place for place in behind if await consumer.position(place) < ends[place]}
                if not behind:
                    self._on_caught_up()
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    self._hand_on(record)

    def _hand_on(self, record: ConsumerRecord) -> None:
        value = record.value
        if value is None:
            return
        if (fault := self._signatures.verify(record.topic, record.key, value, record.headers)) is not None:
            note_refused("event", record.topic, fault)
            return
        try:
            self._on_value(value)
        except Exception as error:  # noqa: BLE001  whatever it holds, one record stops nobody
            self._skipped.inc()
            log.warning("a record of %s could not be read: %s", self._topic, type(error).__name__)
