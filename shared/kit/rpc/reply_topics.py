"""Reply topics: created by the processes that call, kept alive by their heartbeats, deleted once idle.

Kafka may be shared with others, whose topics may have any name. So a topic is deleted only if it carries the
mark that this mesh gave it when it was created: a number keyed by the mesh's secret and the topic's name, in
`delete.retention.ms`, which has no effect on a topic that is not compacted. Records cannot be the mark, for
they expire. An existing topic is never given the mark, so it always means "created by us".
"""

import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from shared.contracts.topics import REPLY_RETENTION_MS
from shared.kit.kafka.aiokafka_patches import load_metadata
from shared.kit.kafka.close import close_quietly
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.headers import REPLY_TOPIC

log = logging.getLogger(__name__)

HEARTBEAT_INTERVAL_S = 120.0
IDLE_AFTER_MS = 3 * REPLY_RETENTION_MS
"""A marked reply topic without a new record for this long belongs to no process any longer."""
GAP_MAX_MS = int(2 * HEARTBEAT_INTERVAL_S * 1000)
"""The longest time between two checks that counts as idle: more may have been an outage of Kafka, a suspended
machine or a jump of the broker's clock, during which no process could send a heartbeat."""
REPLY_MAX_BYTES = 4 * 1024 * 1024
"""Kafka's own bound, 1 MiB, is less than the largest page: JSON takes six bytes for a control character."""
_MARKS = 2**35
"""Marks are below this number, in ms about 400 days: some hosted brokers refuse more than two years."""
_LOOK_UP_TIMEOUT_MS = 3_000
_LOG_APPEND_TIME = 1


def reply_topic_configs(topic: str, signer: RecordSigner) -> list[dict[str, str]]:
    """Return the settings of a reply topic that this mesh creates, for each secret; the first one signs.

    The time of a record is the broker's (`LogAppendTime`), so that no clock of another host matters. A topic
    with other values is never deleted, so when a value changes here, the former one should stay accepted.
    """
    return [
        {
            "cleanup.policy": "delete",
            "retention.ms": str(REPLY_RETENTION_MS),
            "segment.ms": str(REPLY_RETENTION_MS),
            "max.message.bytes": str(REPLY_MAX_BYTES),
            "message.timestamp.type": "LogAppendTime",
            "delete.retention.ms": str(int(tag, 16) % _MARKS),
        }
        for tag in signer.tags("reply topic", topic)
    ]


async def create_reply_topic(
    options: Mapping[str, Any], topic: str, replication_factor: int, signer: RecordSigner
) -> None:
    """Create the topic with this mesh's mark; one that exists stays as it is.

    Raises KafkaError while no broker answers.
    """
    config = reply_topic_configs(topic, signer)[0]
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


class ReplyTopicCollector:
    """Deletes the marked reply topics of processes that have ended.

    A topic is idle when the end offsets of all its partitions stayed the same over checks that span
    `idle_after_ms` by the broker's time, which is the time of the newest record in `own_topic`.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        own_topic: str,
        signer: RecordSigner,
        idle_after_ms: int = IDLE_AFTER_MS,
    ) -> None:
        self._options = options
        self._own = TopicPartition(own_topic, 0)
        self._signer = signer
        self._idle_after_ms = idle_after_ms
        self._looked_at_ms: int | None = None
        self._watched: dict[str, tuple[dict[int, int], int]] = {}
        """By topic: the end offset of each partition, and for how many ms they have been the same."""

    async def collect(self) -> list[str]:
        """Delete the idle topics and return their names. Raises KafkaError while no broker answers."""
        admin = AIOKafkaAdminClient(**self._options)
        try:
            await admin.start()
            names = [name for name in await admin.list_topics() if REPLY_TOPIC.fullmatch(name)]
            marked = await self._marked(admin, names)
            idle = await self._idle(marked)
            return await _delete(admin, idle) if idle else []
        finally:
            await close_quietly(admin.close)

    async def _marked(self, admin: AIOKafkaAdminClient, names: list[str]) -> list[str]:
        """Return those with exactly the settings that this mesh creates; but never the own topic."""
        wanted = {name: reply_topic_configs(name, self._signer) for name in names}
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, name, configs=configs[0])
            for name, configs in wanted.items()
        ]
        marked = []
        for response in await admin.describe_configs(resources) if resources else ():
            for code, _, _, name, entries in response.resources:
                settings = {entry[0]: entry[1] for entry in entries or ()}
                if name != self._own.topic:
                    if not code and settings in wanted[name]:
                        marked.append(name)
                elif for_code(code) is TopicAuthorizationFailedError:
                    log.warning("without DescribeConfigs on reply topics no idle one is deleted")
        return marked

    async def _idle(self, marked: list[str]) -> list[str]:
        """Look at all partitions of these topics; return the topics that have been idle for long enough."""
        try:
            now_ms, ends = await self._look(marked)
        except KafkaError as error:
            log.warning("idle reply topics could not be looked up: %r", error)
            return []
        if now_ms is None:
            return []
        since_ms = now_ms if self._looked_at_ms is None else self._looked_at_ms
        gap_ms = min(max(now_ms - since_ms, 0), GAP_MAX_MS)
        self._looked_at_ms = now_ms
        before, self._watched = self._watched, {}
        for name, offsets in ends.items():
            former, idle_ms = before.get(name, ({}, 0))
            self._watched[name] = offsets, idle_ms + gap_ms if offsets == former else 0
        return sorted(name for name, (_, idle_ms) in self._watched.items() if idle_ms >= self._idle_after_ms)

    async def _look(self, topics: list[str]) -> tuple[int | None, dict[str, dict[int, int]]]:
        """Return the broker's time in ms (None: unknown) and, by topic and partition, the end offsets."""
        # aiokafka looks up a topic that another process deletes meanwhile until this timeout.
        consumer = AIOKafkaConsumer(
            group_id=None,
            enable_auto_commit=False,
            request_timeout_ms=_LOOK_UP_TIMEOUT_MS,
            # The look-up of the offsets waits behind a fetch that is under way.
            fetch_max_wait_ms=50,
            **self._options,
        )
        try:
            await consumer.start()
            now_ms = await self._broker_time_ms(consumer)
            await load_metadata(consumer, [self._own.topic, *topics])
            partitions = [
                TopicPartition(name, partition)
                for name in topics
                for partition in consumer.partitions_for_topic(name) or ()
            ]
            ends: dict[str, dict[int, int]] = {}
            for partition, end in (await consumer.end_offsets(partitions)).items():
                ends.setdefault(partition.topic, {})[partition.partition] = end
            return now_ms, ends
        finally:
            await close_quietly(consumer.stop)

    async def _broker_time_ms(self, consumer: AIOKafkaConsumer) -> int | None:
        """Return when the broker appended the newest record of the own topic; None if that is unknown."""
        consumer.assign([self._own])
        end = (await consumer.end_offsets([self._own]))[self._own]
        if end == 0:
            return None
        consumer.seek(self._own, end - 1)
        records = (await consumer.getmany(timeout_ms=_LOOK_UP_TIMEOUT_MS)).get(self._own)
        if not records or records[-1].timestamp_type != _LOG_APPEND_TIME:
            return None
        return int(records[-1].timestamp)


async def _delete(admin: AIOKafkaAdminClient, topics: list[str]) -> list[str]:
    response = await admin.delete_topics(topics, timeout_ms=10_000)
    deleted = []
    for name, code in response.topic_error_codes:
        if not code:
            deleted.append(name)
        elif for_code(code) is not UnknownTopicOrPartitionError:  # deleted by another process: fine
            log.warning("the idle reply topic %s could not be deleted: %s", name, for_code(code).__name__)
    if deleted:
        log.info("deleted idle reply topics: %s", ", ".join(deleted))
    return deleted
