"""The records that a relay sends, and those that Kafka rejects."""

import logging
from collections.abc import Container
from uuid import UUID

from aiokafka import TopicPartition
from msgspec import Struct

from shared.kit.wire.headers import Headers

_log = logging.getLogger(__name__)


class OutboxRecord(Struct):
    """A record to be sent, made of the row `row_index` of a batch."""

    row_index: int
    key: bytes
    value: bytes
    headers: Headers


class Rejected(Struct):
    """A record that Kafka will never take, and the reason."""

    partition: TopicPartition
    record: OutboxRecord
    reason: str


class LeaseLost(Exception):
    """The lease ran out while records were in flight; their producer must be aborted."""


class Rejections:
    """The topics that rejected an event for good, for events that are still in the outbox.

    Such an event goes to the dead letters instead.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._reasons: dict[tuple[UUID, str], str] = {}

    def add(self, event_id: UUID, event_type: str, topic: str, reason: str) -> None:
        """Remember that a topic rejected an event for good."""
        self._reasons[event_id, topic] = reason
        _log.error("%s: %s rejects event %s (%s): %s", self._service, topic, event_id, event_type, reason)

    def reason(self, event_id: UUID, topic: str) -> str | None:
        """Return why this topic rejected this event, or None if it did not."""
        return self._reasons.get((event_id, topic)) if self._reasons else None

    def forget(self, event_ids: Container[UUID]) -> None:
        """Forget these events, which have left the outbox."""
        if self._reasons:
            self._reasons = {key: why for key, why in self._reasons.items() if key[0] not in event_ids}
