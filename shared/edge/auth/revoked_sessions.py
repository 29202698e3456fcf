"""The sessions that were ended while access tokens of theirs are still alive."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from shared.contracts.clock import Clock
from shared.contracts.event import SESSION_REVOKED, Event, SessionRevoked

log = logging.getLogger(__name__)

_SLACK = timedelta(seconds=60)
"""Clocks differ a little, and an event is written after the fact."""


class RevokedSessions:
    """Hears `session.revoked`; forgets a session when the last of its tokens has expired by itself."""

    def __init__(self, clock: Clock, token_ttl: timedelta, sessions_max: int) -> None:
        self._clock = clock
        self._kept = token_ttl + _SLACK
        self._sessions_max = sessions_max
        self._until: dict[UUID, datetime] = {}

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._until

    def __len__(self) -> int:
        return len(self._until)

    @property
    def since(self) -> datetime:
        """From when on the events must be read so that no revoked session is missed."""
        return self._clock.now() - self._kept

    def hear(self, value: bytes) -> None:
        """Take in a record of `user-events`. Raises msgspec errors for what is no event."""
        event = msgspec.json.decode(value, type=Event)
        if event.type != SESSION_REVOKED.name:
            return
        session_id = msgspec.json.decode(event.data, type=SessionRevoked).session_id
        now = self._clock.now()
        # Whose clock is ahead must not make a session revoked for ever.
        until = min(event.occurred_at, now) + self._kept
        if until <= now:
            return
        self._until[session_id] = until
        if len(self._until) > self._sessions_max:
            self._drop_oldest()

    def sweep(self) -> None:
        """Forget the sessions whose tokens have all expired. Called now and then."""
        now = self._clock.now()
        for session_id in [session_id for session_id, until in self._until.items() if until <= now]:
            del self._until[session_id]

    def _drop_oldest(self) -> None:
        self.sweep()
        while len(self._until) > self._sessions_max:
            dropped = next(iter(self._until))
            del self._until[dropped]
            log.error("more sessions are revoked than REVOCATIONS_MAX: one is forgotten too early")
