"""Revoked sessions whose access tokens have not all expired."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from shared.contracts.clock import Clock
from shared.contracts.event import SESSION_REVOKED, Event, SessionRevoked

log = logging.getLogger(__name__)

_SLACK = timedelta(seconds=60)
"""Margin for clock skew and for the delay between revocation and event."""


class RevokedSessions:
    """Applies `session.revoked` events; drops a session when the last of its tokens has expired."""

    def __init__(self, clock: Clock, token_ttl: timedelta, sessions_max: int) -> None:
        self._clock = clock
        self._retention = token_ttl + _SLACK
        self._sessions_max = sessions_max
        self._until: dict[UUID, datetime] = {}

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._until

    def __len__(self) -> int:
        return len(self._until)

    @property
    def since(self) -> datetime:
        """The time from which events must be read so that no revoked session is missed."""
        return self._clock.now() - self._retention

    def apply(self, value: bytes) -> None:
        """Apply a record of `user-events`. Raises msgspec errors for a value that is not an event."""
        event = msgspec.json.decode(value, type=Event)
        if event.type != SESSION_REVOKED.name:
            return
        session_id = msgspec.json.decode(event.data, type=SessionRevoked).session_id
        now = self._clock.now()
        # A publisher whose clock is ahead must not keep a session here forever.
        until = min(event.occurred_at, now) + self._retention
        if until <= now:
            return
        self._until[session_id] = until
        if len(self._until) > self._sessions_max:
            self._drop_oldest()

    def sweep(self) -> None:
        """Drop the sessions whose tokens have all expired."""
        now = self._clock.now()
        for session_id in [session_id for session_id, until in self._until.items() if until <= now]:
            del self._until[session_id]

    def _drop_oldest(self) -> None:
        self.sweep()
        while len(self._until) > self._sessions_max:
            dropped = next(iter(self._until))
            del self._until[dropped]
            log.error(
                "more than REVOCATIONS_MAX sessions are revoked: one was dropped before its tokens expired"
            )
