"""Members: a profile's role in a server."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.server.domain.servers import ServerRecord
from shared.contracts.event import MemberFact
from shared.contracts.fields import Role

SERVERS_MAX = 100
"""Servers that one profile may be a member of."""


@dataclass(slots=True, kw_only=True)
class MemberRecord:
    """A stored membership."""

    server_id: UUID
    profile_id: UUID
    role: Role
    joined_at: datetime

    def fact(self) -> MemberFact:
        """Return the fields that events carry."""
        return MemberFact(
            server_id=self.server_id, profile_id=self.profile_id, role=self.role, joined_at=self.joined_at
        )


@dataclass(slots=True, frozen=True)
class Membership:
    """A server together with the caller's role in it."""

    server: ServerRecord
    role: Role
    joined_at: datetime
