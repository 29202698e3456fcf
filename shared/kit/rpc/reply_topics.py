"""Reply topics come and go with the processes that call: made at start, kept by beats, swept when idle."""

import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.contracts.topics import REPLY_RETENTION_MS
from shared.kit.clock import now_ms
from shared.kit.kafka.close import close_quietly
from shared.kit.wire.call import REPLY_TOPIC

log = logging.getLogger(__name__)

BEAT_INTERVAL_S = 120.0
IDLE_AFTER_MS = 3 * REPLY_RETENTION_MS
"""A reply topic without a beat for so long belongs to nobody."""
REPLY_MAX_BYTES = 4 * 1024 * 1024
"""Kafka's own bound, 1 MiB, is less than the largest page: JSON takes six bytes for a control character."""
_LOOK_UP_TIMEOUT_MS = 3_000


async def create_reply_topic(options: Mapping[str, Any], topic: str, replication_factor: int) -> None:
    """Make the topic if it is not there. Raises KafkaError while no broker answers."""
    config = {
        "retention.ms": str(REPLY_RETENTION_MS),
        "segment.ms": str(REPLY_RETENTION_MS),
        "max.message.bytes": str(REPLY_MAX_BYTES),
    }
    new = NewTopic(topic, 1, replication_factor, topic_configs=config)
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        response = await admin.create_topics([new], timeout_ms=10_000)
        for name, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
    finally:
        await close_quietly(admin.close)


class Sweeper:
    """Deletes the reply topics that belong to nobody any longer."""

    def __init__(self, options: Mapping[str, Any], idle_after_ms: int = IDLE_AFTER_MS) -> None:
        self._options = options
        self._idle_after_ms = idle_after_ms
        self._empty: set[str] = set()

    async def sweep(self) -> list[str]:
        """Delete those without a beat for long; returns their names. Raises KafkaError without a broker."""
        admin = AIOKafkaAdminClient(**self._options)
        try:
            await admin.start()
            topics = [name for name in await admin.list_topics() if REPLY_TOPIC.fullmatch(name)]
            idle = await self._idle(topics) if topics else []
            if idle:
                await admin.delete_topics(idle, timeout_ms=10_000)
                log.info("deleted idle reply topics: %s", ", ".join(idle))
            return idle
        finally:
            await close_quietly(admin.close)

    async def _idle(self, topics: list[str]) -> list[str]:
        places = {TopicPartition(name, 0): now_ms() - self._idle_after_ms for name in topics}
        # A topic that another process deletes meanwhile is asked for again and again until the time is over.
        consumer = AIOKafkaConsumer(
            group_id=None, enable_auto_commit=False, request_timeout_ms=_LOOK_UP_TIMEOUT_MS, **self._options
        )
        try:
            await consumer.start()
            # Else aiokafka asks where each topic is by itself, one after the other.
            await consumer._client.set_topics(topics)
            found = await consumer.offsets_for_times(places)
            ends = await consumer.end_offsets(list(places))
        except KafkaError as error:
            log.warning("idle reply topics could not be looked up: %r", error)
            return []
        finally:
            await close_quietly(consumer.stop)
        silent = {place.topic for place, offset in found.items() if offset is None}
        # One that never held a record was perhaps made a moment ago: it gets until the next time.
        empty = {place.topic for place, end in ends.items() if end == 0}
        idle = sorted(silent - (empty - self._empty))
        self._empty = empty
        return idle
