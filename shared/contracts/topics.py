"""The topics of the mesh and their settings, derived from the catalogue."""

from msgspec import Struct

from shared.contracts.catalogue import EVENTS, OPERATIONS, SERVICES

CONSUMER_GROUPS = {
    "auth": "auth-consumer-group",
    "server": "server-consumer-group",
    "message": "message-consumer-group",
    "file": "file-service-consumer",
}
SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "gateway": ("user-events",),
    "auth": (),
    "server": ("user-events",),
    "message": ("server-events", "file-events"),
    "file": ("server-events", "file-events", "user-events"),
}
"""The event topics that each process reads."""
LIVE_PARTITIONS = 8
"""Partitions of `live-events`. The number never changes: a position is a list of offsets in them."""

LIMITS = "rate-limits"
"""Topic in which gateways share the calls that they admitted."""

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
REQUEST_RETENTION_MS = 60 * _MINUTE_MS
REPLY_RETENTION_MS = 10 * _MINUTE_MS
EVENT_RETENTION_MS = 7 * _DAY_MS
LIMITS_RETENTION_MS = 10 * _MINUTE_MS
DEAD_LETTER_RETENTION_MS = 30 * _DAY_MS
SEGMENT_MAX_MS = _DAY_MS
"""Kafka deletes whole segments: a record stays at most for the retention plus the age of its segment."""
RETRY_DELAYS_S = (1, 10, 60)
"""Delays before each retry of a failed record; after the last retry it becomes a dead letter."""


class Topic(Struct, frozen=True, kw_only=True):
    """A topic to create: name, number of partitions, and settings that differ from the broker's defaults."""

    name: str
    partitions: int
    config: dict[str, str]
    summary: str


def retry_topic(service: str, delay_s: int) -> str:
    """Return the topic in which a service's failed records wait for `delay_s` seconds."""
    return f"{service}.retry.{delay_s}s"


def dead_letter_topic(service: str) -> str:
    """Return the topic of a service's records that cannot be processed."""
    return f"{service}.dead-letters"


def reply_topic(service: str, instance: str) -> str:
    """Return the reply topic of one calling process."""
    return f"{service}.replies.{instance}"


def all_topics(partitions: int) -> tuple[Topic, ...]:
    """Return all topics of the mesh; `partitions` applies to those without a fixed number."""
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
