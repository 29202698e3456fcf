"""The steps of a correlation id in Kafka: requests, replies, events, retries, dead letters."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from aiokafka import ConsumerRecord

from cli.output.terminal import render
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
    """Return the steps, at most STEPS_MAX, and the reader. Raises KafkaError."""
    reader = TopicReader(options, await partitions_of(options, is_ours), bounds)
    trace_bytes = trace_id.encode()
    steps: list[Step] = []
    async with aclosing(reader.records()) as records:
        async for record in records:
            if (CORRELATION_ID, trace_bytes) in record.headers:
                steps.append(step_of(record, bodies=bodies))
                if len(steps) >= STEPS_MAX:
                    break
    return steps, reader


def is_ours(topic: str) -> bool:
    """Return True if Concord writes to this topic."""
    return topic in _KNOWN or REPLY_TOPIC.fullmatch(topic) is not None


def kind_of(topic: str) -> Kind:
    """Return the kind of a record by its topic."""
    if topic in OPERATIONS:
        return Kind.REQUEST
    if REPLY_TOPIC.fullmatch(topic):
        return Kind.REPLY
    if topic.endswith(".dead-letters"):
        return Kind.DEAD_LETTER
    return Kind.RETRY if ".retry." in topic else Kind.EVENT


def step_of(record: ConsumerRecord, *, bodies: bool) -> Step:
    """Return a record as a step; its body without secrets, or empty."""
    texts = {name: text for name, value in record.headers if (text := header_text(value))}
    step_kind = kind_of(record.topic)
    return Step(
        at_ms=record.timestamp,
        kind=step_kind,
        where=f"{record.topic} partition {record.partition} offset {record.offset}",
        key=redact((record.key or b"").decode(errors="replace")),
        words=redact(_words(step_kind, texts)),
        body=render(record.value) if bodies and record.value else "",
    )


def _words(kind: Kind, texts: Mapping[str, str]) -> str:
    if kind is Kind.REQUEST:
        return f"reply expected in {texts[REPLY_TO]}" if REPLY_TO in texts else "no reply expected"
    if kind is Kind.REPLY:
        return f"{texts.get(STATUS, '?')} {texts.get(ERROR, '')}"
    if kind is Kind.EVENT:
        return f"{texts.get(EVENT_TYPE, '?')} {texts.get(EVENT_ID, '')}"
    return f"{texts.get(ORIGINAL_TOPIC, '?')} failed {texts.get(ATTEMPT, '?')} times: {texts.get(REASON, '')}"
