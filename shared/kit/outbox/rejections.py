"""The events that a topic will never take: their next way is into the dead letters."""

import logging
from collections.abc import Container
from uuid import UUID

_log = logging.getLogger(__name__)


class Rejections:
    """Remembers, for rows that are still in the outbox, which topic refused them and why."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._reasons: dict[tuple[UUID, str], str] = {}

    def add(self, event_id: UUID, kind: str, topic: str, reason: str) -> None:
        """A topic refused an event for good."""
        self._reasons[event_id, topic] = reason
        _log.error("%s: %s refuses event %s (%s): %s", self._service, topic, event_id, kind, reason)

    def reason(self, event_id: UUID, topic: str) -> str | None:
        """Why this topic does not take this event; None when it was not refused."""
        return self._reasons.get((event_id, topic)) if self._reasons else None

    def forget(self, event_ids: Container[UUID]) -> None:
        """These events have left the outbox."""
        if self._reasons:
            self._reasons = {key: why for key, why in self._reasons.items() if key[0] not in event_ids}
