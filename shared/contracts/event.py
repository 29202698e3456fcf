"""Events: facts that a service publishes through its outbox, and the topics that carry each.

Every event is one JSON record `{id, type, occurredAt, revision, version, data}`. `revision` is that
of the aggregate (a server, a channel's messages, a profile): the higher one is the newer fact.
"""

from enum import StrEnum
from uuid import UUID

from msgspec import Raw, Struct

from shared.contracts.account import PublicProfile
from shared.contracts.base import Answer
from shared.contracts.fields import Id, Name, Revision, Role, Time
from shared.contracts.file import File
from shared.contracts.message import Message
from shared.contracts.server import Channel


class LeftReason(StrEnum):
    """Why a membership ended."""

    LEFT = "LEFT"
    KICKED = "KICKED"


class Event(Answer, kw_only=True):
    """The envelope of all events; `type` determines the struct of `data`."""

    id: UUID
    type: str
    occurred_at: Time
    revision: Revision
    version: int = 1
    data: Raw


class ServerFact(Answer, kw_only=True):
    """A server as it is now, without what only its members may read."""

    id: Id
    name: Name
    profile_id: Id


class ServerDeleted(Answer, kw_only=True):
    """A server that was deleted, with all its channels and members."""

    id: Id


class ChannelDeleted(Answer, kw_only=True):
    """A channel that was deleted, with all its messages."""

    id: Id
    server_id: Id


class MemberFact(Answer, kw_only=True):
    """A membership as it is now."""

    server_id: Id
    profile_id: Id
    role: Role
    joined_at: Time


class MemberLeft(Answer, kw_only=True):
    """A membership that ended."""

    server_id: Id
    profile_id: Id
    reason: LeftReason


class MessageDeleted(Answer, kw_only=True):
    """A message that was deleted."""

    id: Id
    channel_id: Id
    server_id: Id
    sequence: int


class FileDeleted(Answer, kw_only=True):
    """A file that was deleted."""

    id: Id
    channel_id: Id
    server_id: Id


class SessionRevoked(Answer, kw_only=True):
    """A session whose access tokens are no longer valid."""

    session_id: Id
    profile_id: Id


class EventType(Struct, frozen=True, kw_only=True):
    """A kind of event: who publishes it, what its data are, which topics carry it."""

    name: str
    service: str
    data: type[Answer]
    topics: tuple[str, ...]
    summary: str


LIVE = "live-events"

CATALOGUE: dict[str, EventType] = {}


def _event(name: str, service: str, data: type[Answer], topics: tuple[str, ...], summary: str) -> EventType:
    event_type = EventType(name=name, service=service, data=data, topics=topics, summary=summary)
    CATALOGUE[name] = event_type
    return event_type


PROFILE_UPDATED = _event(
    "profile.updated", "auth", PublicProfile, ("user-events",), "A profile was created or changed"
)
SESSION_REVOKED = _event("session.revoked", "auth", SessionRevoked, ("user-events",), "A session ended")

SERVER_CREATED = _event(
    "server.created", "server", ServerFact, (LIVE, "server-events"), "A server was created"
)
SERVER_UPDATED = _event("server.updated", "server", ServerFact, (LIVE, "server-events"), "A server changed")
SERVER_DELETED = _event(
    "server.deleted", "server", ServerDeleted, (LIVE, "server-events"), "A server was deleted"
)
CHANNEL_CREATED = _event(
    "channel.created", "server", Channel, (LIVE, "server-events", "channels.create"), "A channel was created"
)
CHANNEL_UPDATED = _event("channel.updated", "server", Channel, (LIVE, "server-events"), "A channel changed")
CHANNEL_DELETED = _event(
    "channel.deleted",
    "server",
    ChannelDeleted,
    (LIVE, "server-events", "channels.delete"),
    "A channel was deleted",
)
MEMBER_JOINED = _event(
    "member.joined", "server", MemberFact, (LIVE, "server-events", "user.join-server"), "Someone joined"
)
MEMBER_UPDATED = _event(
    "member.updated", "server", MemberFact, (LIVE, "server-events"), "A member's role changed"
)
MEMBER_LEFT = _event(
    "member.left",
    "server",
    MemberLeft,
    (LIVE, "server-events", "user.leave-server"),
    "Someone left or was kicked",
)
MESSAGE_CREATED = _event(
    "message.created",
    "message",
    Message,
    (LIVE, "message-events", "channels.send-message"),
    "A message was sent",
)
MESSAGE_UPDATED = _event(
    "message.updated", "message", Message, (LIVE, "message-events"), "A message was edited"
)
MESSAGE_DELETED = _event(
    "message.deleted", "message", MessageDeleted, (LIVE, "message-events"), "A message was deleted"
)
FILE_COMPLETED = _event("file.completed", "file", File, ("file-events",), "A file was uploaded and verified")
FILE_DELETED = _event("file.deleted", "file", FileDeleted, ("file-events",), "A file was deleted")
