"""Reply topics come and go with the processes that call: made at start, kept by beats, swept when idle."""

import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.contracts.topics import REPLY_RETENTION_MS
from shared.kit.clock import now_ms
from shared.kit.wire import REPLY_TOPIC

log = logging.getLogger(__name__)

BEAT_INTERVAL_S = 120.0
IDLE_AFTER_MS = 3 * REPLY_RETENTION_MS
"""A reply topic without a beat for so long belongs to nobody."""


async def create_reply_topic(options: Mapping[str, Any], topic: str, replication_factor: int) -> None:
    """Make the topic if it is not there. Raises KafkaError while no broker answers."""
    config = {"retention.ms": str(REPLY_RETENTION_MS), "segment.ms": str(REPLY_RETENTION_MS)}
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
        await admin.close()


async def sweep_idle_reply_topics(options: Mapping[str, Any]) -> list[str]:
    """Delete the reply topics whose owner gave no beat for long; returns their names."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        topics = [name for name in await admin.list_topics() if REPLY_TOPIC.fullmatch(name)]
        idle = await _idle(options, topics) if topics else []
        if idle:
            await admin.delete_topics(idle, timeout_ms=10_000)
            log.info("deleted idle reply topics: %s", ", ".join(idle))
        return idle
    finally:
        await admin.close()


async def _idle(options: Mapping[str, Any], topics: list[str]) -> list[str]:
    consumer = AIOKafkaConsumer(group_id=None, enable_auto_commit=False, **options)
    await consumer.start()
    try:
        horizon_ms = now_ms() - IDLE_AFTER_MS
        found = await consumer.offsets_for_times({TopicPartition(name, 0): horizon_ms for name in topics})
        return [place.topic for place, offset in found.items() if offset is None]
    except KafkaError as error:
        log.warning("idle reply topics could not be looked up: %r", error)
        return []
    finally:
        await consumer.stop()
