"""Tailing of a topic without a consumer group: from a point in time to its end, then every new record."""

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
    """Follows a topic for one process. It may deliver a record twice: after an error it reads back again.

    `on_value` is called with the value of each record that this mesh signed; a record for which it raises is
    logged, counted and skipped. `on_caught_up` is called at the end that the topic had when reading began.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        topic: str,
        signatures: RecordSigner,
        since: Callable[[], datetime],
        on_value: Callable[[bytes], None],
        on_caught_up: Callable[[], None],
        on_error: Callable[[str], None],
    ) -> None:
        self._options = options
        self._topic = topic
        self._signatures = signatures
        self._since = since
        self._on_value = on_value
        self._on_caught_up = on_caught_up
        self._on_error = on_error
        self._consumer: AIOKafkaConsumer | None = None
        self._skipped = _skipped.labels(topic)

    async def follow(self) -> None:
        """Follow the topic until cancelled."""
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError) as error:
                log.warning("%s cannot be read: %r", self._topic, error)
                self._on_error(f"{self._topic} cannot be read: {type(error).__name__}")
                await asyncio.sleep(_RETRY_AFTER_S)

    async def _follow(self) -> None:
        """Follow the topic over one connection. Raises KafkaError."""
        aiokafka_patches.require_applied()
        # Without a group all partitions of the topic are assigned, also those added later. These, and a log
        # that was truncated beyond our position, are read from their beginning.
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
        """Start the consumer. Raises KafkaError; a missing topic, which takes 40 s, is reported before."""
        waiting = f"waiting for {self._topic}"
        slow = asyncio.get_running_loop().call_later(_SLOW_START_S, self._on_error, waiting)
        try:
            await consumer.start()
        finally:
            slow.cancel()

    async def _seek(self, consumer: AIOKafkaConsumer) -> Offsets:
        """Seek to the point in time; return the end that each partition had before."""
        partitions = consumer.assignment()
        ends: Offsets = await consumer.end_offsets(partitions)
        since_ms = int(self._since().timestamp() * 1000)
        starts = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        for partition in partitions:
            # None: no record was that new a moment ago, so newer ones are at the end or after it.
            start = starts[partition]
            consumer.seek(partition, ends[partition] if start is None else start.offset)
        return ends

    async def _read(self, consumer: AIOKafkaConsumer, ends: Offsets) -> None:
        behind = set(ends)
        while True:
            if behind:
                behind = {one for one in behind if await consumer.position(one) < ends[one]}
                if not behind:
                    self._on_caught_up()
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    self._deliver(record)

    def _deliver(self, record: ConsumerRecord) -> None:
        value = record.value
        if value is None:
            return
        if (fault := self._signatures.verify(record.topic, record.key, value, record.headers)) is not None:
            note_refused("event", record.topic, fault)
            return
        try:
            self._on_value(value)
        except Exception as error:  # noqa: BLE001 (no single record may stop the tail)
            self._skipped.inc()
            log.warning("a record of %s could not be read: %s", self._topic, type(error).__name__)
