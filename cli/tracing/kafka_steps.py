"""The steps of a correlation id that stand in Kafka: requests, replies, events, retries, dead letters."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from aiokafka import ConsumerRecord

from cli.output.terminal import shown
from cli.tracing.step import STEPS_MAX, Kind, Step
from shared.contracts.catalogue import OPERATIONS
from shared.contracts.topics import LIMITS, all_topics
from shared.kit.kafka.topic_reader import ReadLimits, TopicReader, partitions_of
from shared.kit.outbox.batch import EVENT_ID, EVENT_TYPE
from shared.kit.telemetry.redaction import redact
from shared.kit.wire.failure import ATTEMPT, ORIGINAL_TOPIC, REASON
from shared.kit.wire.headers import CORRELATION_ID, ERROR, REPLY_TO, REPLY_TOPIC, STATUS, header_text

_KNOWN = frozenset(topic.name for topic in all_topics(1)) - {LIMITS}


async def kafka_steps(
    options: Mapping[str, Any], trace_id: str, bounds: ReadLimits, *, bodies: bool
) -> tuple[list[Step], TopicReader]:
    """The steps, at most STEPS_MAX, and how much was looked at. Raises KafkaError."""
    passage = TopicReader(options, await partitions_of(options, is_ours), bounds)
    wanted = trace_id.encode()
    steps: list[Step] = []
    async with aclosing(passage.records()) as records:
        async for record in records:
            if (CORRELATION_ID, wanted) in record.headers:
                steps.append(step_of(record, bodies=bodies))
                if len(steps) >= STEPS_MAX:
                    break
    return steps, passage


def is_ours(topic: str) -> bool:
    """Whether the mesh writes to this topic."""
    return topic in _KNOWN or REPLY_TOPIC.fullmatch(topic) is not None


def kind_of(topic: str) -> Kind:
    """What a record of this topic is."""
    if topic in OPERATIONS:
        return Kind.REQUEST
    if REPLY_TOPIC.fullmatch(topic):
        return Kind.REPLY
    if topic.endswith(".dead-letters"):
        return Kind.DEAD_LETTER
    return Kind.RETRY if ".retry." in topic else Kind.EVENT


def step_of(record: ConsumerRecord, *, bodies: bool) -> Step:
    """A record as a step; its body without secrets, or not at all."""
    texts = {name: text for name, value in record.headers if (text := header_text(value))}
    kind = kind_of(record.topic)
    return Step(
        at_ms=record.timestamp,
        kind=kind,
        where=f"{record.topic} partition {record.partition} offset {record.offset}",
        key=redact((record.key or b"").decode(errors="replace")),
        words=redact(_words(kind, texts)),
        body=shown(record.value) if bodies and record.value else "",
    )


def _words(kind: Kind, texts: Mapping[str, str]) -> str:
    if kind is Kind.REQUEST:
        return f"to be answered in {texts[REPLY_TO]}" if REPLY_TO in texts else "nobody waits for an answer"
    if kind is Kind.REPLY:
        return f"{texts.get(STATUS, '?')} {texts.get(ERROR, '')}"
    if kind is Kind.EVENT:
        return f"{texts.get(EVENT_TYPE, '?')} {texts.get(EVENT_ID, '')}"
    return f"{texts.get(ORIGINAL_TOPIC, '?')} failed {texts.get(ATTEMPT, '?')} times: {texts.get(REASON, '')}"
