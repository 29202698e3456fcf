"""Servers, their members and invites: entities, limits and the rules of who may do what. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.contracts import errors
from shared.contracts.event import MemberFact, ServerFact
from shared.contracts.fields import Role
from shared.contracts.server import Channel, Invite, Server

SERVERS_MAX = 100
"""Servers that one person can be in."""
CHANNELS_MAX = 500
"""Channels of one server."""
INVITES_MAX = 1000
"""Invites of one server that are still good."""
INVITES_KEPT_MAX = 2000
"""Invites of one server, good or not; past it those that are no longer good are forgotten."""
INVITE_MEMORY = timedelta(days=30)
"""How long a code that is no longer good is still answered as expired, not as unknown."""
LISTED_CHANNELS_MAX = 700
"""Channels in one page of servers: with the longest names there are, it fits into a Kafka record (1 MiB)."""
FIRST_CHANNEL = "general"


class Action(StrEnum):
    """What a role allows or does not; the text is what a refusal calls it."""

    UPDATE_SERVER = "changing the server"
    DELETE_SERVER = "deleting the server"
    CREATE_CHANNEL = "creating a channel"
    UPDATE_CHANNEL = "changing a channel"
    DELETE_CHANNEL = "deleting a channel"
    CREATE_INVITE = "creating an invite"
    LIST_INVITES = "listing invites"
    REVOKE_INVITE = "revoking an invite"
    REGENERATE_CODE = "replacing the invite code"
    UPDATE_MEMBER = "changing a member's role"
    KICK_GUEST = "kicking a GUEST"
    KICK_MODERATOR = "kicking a MODERATOR"
    KICK_ADMIN = "kicking an ADMIN"


_MODERATOR = frozenset(
    {
        Action.CREATE_CHANNEL,
        Action.UPDATE_CHANNEL,
        Action.DELETE_CHANNEL,
        Action.CREATE_INVITE,
        Action.LIST_INVITES,
        Action.REVOKE_INVITE,
        Action.REGENERATE_CODE,
        Action.KICK_GUEST,
    }
)
# A GUEST reads, writes and leaves: being a member is enough for that, so it is no action here.
_ALLOWED = {Role.GUEST: frozenset[Action](), Role.MODERATOR: _MODERATOR, Role.ADMIN: frozenset(Action)}
_KICK = {Role.GUEST: Action.KICK_GUEST, Role.MODERATOR: Action.KICK_MODERATOR, Role.ADMIN: Action.KICK_ADMIN}


def may(role: Role, action: Action) -> bool:
    """Whether a role allows an action."""
    return action in _ALLOWED[role]


def require(role: Role, action: Action) -> None:
    """Raise `permission.denied`, naming what it takes, when the role does not allow the action."""
    if not may(role, action):
        takes = " or ".join(able for able in Role if may(able, action))
        what = f"{action[0].upper()}{action[1:]}"
        raise errors.PERMISSION_DENIED.exception(f"{what} takes the role {takes}; yours is {role}.")


def kick(target: Role) -> Action:
    """The action of kicking someone of this role."""
    return _KICK[target]


@dataclass(slots=True, kw_only=True)
class ServerRecord:
    """A server as stored. `revision` counts the changes of it, its channels and its members."""

    id: UUID
    name: str
    image_url: str | None
    invite_code: str
    profile_id: UUID
    revision: int
    channel_count: int
    member_count: int
    created_at: datetime
    updated_at: datetime

    def fact(self) -> ServerFact:
        """What events tell of it."""
        return ServerFact(id=self.id, name=self.name, profile_id=self.profile_id)

    def answer(self, channels: list[Channel]) -> Server:
        """What members read of it."""
        return Server(
            id=self.id,
            name=self.name,
            image_url=self.image_url,
            invite_code=self.invite_code,
            profile_id=self.profile_id,
            channels=channels,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


@dataclass(slots=True, kw_only=True)
class MemberRecord:
    """A membership as stored."""

    server_id: UUID
    profile_id: UUID
    role: Role
    joined_at: datetime

    def fact(self) -> MemberFact:
        """What events tell of it."""
        return MemberFact(
            server_id=self.server_id, profile_id=self.profile_id, role=self.role, joined_at=self.joined_at
        )


@dataclass(slots=True, kw_only=True)
class InviteRecord:
    """An invite as stored; the standing code of a server is none of them."""

    id: UUID
    code: str
    server_id: UUID
    profile_id: UUID
    created_at: datetime
    expires_at: datetime | None
    uses: int
    max_uses: int | None
    used_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Whether it still lets someone in."""
        unexpired = self.expires_at is None or self.expires_at > now
        return unexpired and (self.max_uses is None or self.uses < self.max_uses)

    def answer(self) -> Invite:
        """What those who manage invites read of it."""
        return Invite(
            code=self.code,
            server_id=self.server_id,
            expires_at=self.expires_at,
            uses=self.uses,
            max_uses=self.max_uses,
        )


@dataclass(slots=True, frozen=True)
class Membership:
    """A server, and the role that the caller has in it."""

    server: ServerRecord
    role: Role
    joined_at: datetime
