"""Invites: the entity, its limits and its validity. A server's standing code is not an invite."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.server import Invite

INVITES_MAX = 1000
"""Valid invites of one server."""
INVITES_STORED_MAX = 2000
"""Invites of one server, valid or not; from this number on, the invalid ones are deleted."""
INVITE_RETENTION = timedelta(days=30)
"""Period for which an invalid code is reported as expired; after that it is unknown."""


@dataclass(slots=True, kw_only=True)
class InviteRecord:
    """A stored invite."""

    id: UUID
    code: str
    server_id: UUID
    profile_id: UUID
    created_at: datetime
    expires_at: datetime | None
    uses: int
    max_uses: int | None
    used_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Return True if the invite is neither expired nor used up."""
        unexpired = self.expires_at is None or self.expires_at > now
        return unexpired and (self.max_uses is None or self.uses < self.max_uses)

    def answer(self) -> Invite:
        """Return the invite as those who manage invites see it."""
        return Invite(
            code=self.code,
            server_id=self.server_id,
            expires_at=self.expires_at,
            uses=self.uses,
            max_uses=self.max_uses,
        )
