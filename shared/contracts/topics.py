"""Every topic that the mesh uses, and its settings, derived from the catalogue."""

from msgspec import Struct

from shared.contracts.catalogue import EVENTS, OPERATIONS, SERVICES

CONSUMER_GROUPS = {
    "auth": "auth-consumer-group",
    "server": "server-consumer-group",
    "message": "message-consumer-group",
    "file": "file-service-consumer",
}
LIVE_PARTITIONS = 8
"""Partitions of `live-events`. Never changed: a position is a place in these partitions."""

LIMITS = "rate-limits"
"""Where gateways tell each other what they let through."""

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
REQUEST_RETENTION_MS = 60 * _MINUTE_MS
REPLY_RETENTION_MS = 10 * _MINUTE_MS
EVENT_RETENTION_MS = 7 * _DAY_MS
LIMITS_RETENTION_MS = 10 * _MINUTE_MS
DEAD_LETTER_RETENTION_MS = 30 * _DAY_MS
SEGMENT_MAX_MS = _DAY_MS
"""Kafka deletes whole segments: a record stays for the retention and the age of its segment, at most."""
RETRY_DELAYS_S = (1, 10, 60)
"""A record that failed waits so long before each new try; after the last it is a dead letter."""


class Topic(Struct, frozen=True, kw_only=True):
    """A topic to be created: its name, how many partitions, and what differs from the broker's defaults."""

    name: str
    partitions: int
    config: dict[str, str]
    summary: str


def retry_topic(service: str, delay_s: int) -> str:
    """Where a service's failed records wait for `delay_s` seconds."""
    return f"{service}.retry.{delay_s}s"


def dead_letter_topic(service: str) -> str:
    """Where a service's records end that can not be processed."""
    return f"{service}.dead-letters"


def reply_topic(service: str, instance: str) -> str:
    """The reply topic of one process that calls."""
    return f"{service}.replies.{instance}"


def all_topics(partitions: int) -> tuple[Topic, ...]:
    """The topics of the whole mesh; `partitions` is the number for all but the fixed ones."""
    limits = _topic(LIMITS, 1, LIMITS_RETENTION_MS, "What gateways let through, for each other's rate limits")
    return (
        *_request_topics(partitions),
        *_event_topics(partitions),
        *_failure_topics(partitions),
        limits,
    )


def _topic(name: str, partitions: int, retention_ms: int, summary: str) -> Topic:
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "segment.ms": str(min(retention_ms, SEGMENT_MAX_MS)),
    }
    return Topic(name=name, partitions=partitions, config=config, summary=summary)


def _request_topics(partitions: int) -> tuple[Topic, ...]:
    return tuple(
        _topic(operation.name, partitions, REQUEST_RETENTION_MS, operation.summary)
        for operation in OPERATIONS.values()
    )


def _event_topics(partitions: int) -> tuple[Topic, ...]:
    names = sorted({topic for event in EVENTS.values() for topic in event.topics})
    return tuple(
        _topic(
            name,
            LIVE_PARTITIONS if name == "live-events" else partitions,
            EVENT_RETENTION_MS,
            ", ".join(event.name for event in EVENTS.values() if name in event.topics),
        )
        for name in names
    )


def _failure_topics(partitions: int) -> tuple[Topic, ...]:
    retries = tuple(
        _topic(
            retry_topic(service, delay_s),
            partitions,
            EVENT_RETENTION_MS,
            f"Records of {service} that failed and wait {delay_s} s",
        )
        for service in SERVICES
        for delay_s in RETRY_DELAYS_S
    )
    dead = tuple(
        _topic(
            dead_letter_topic(service),
            1,
            DEAD_LETTER_RETENTION_MS,
            f"Records that {service} could not process",
        )
        for service in SERVICES
    )
    return (*retries, *dead)
