"""Servers, channels, members and invites: what the server service answers."""

from msgspec import UNSET, UnsetType

from shared.contracts import errors as e
from shared.contracts.account import PageQuery
from shared.contracts.base import Answer, Body, Request
from shared.contracts.fields import (
    ChannelType,
    Cursor,
    Id,
    ImageUrl,
    InviteCode,
    MaxAgeS,
    MaxUses,
    Name,
    ProfileName,
    Revision,
    Role,
    Time,
)
from shared.contracts.operation import Operation


class Channel(Answer, kw_only=True):
    """A place in a server; one of type TEXT takes messages."""

    id: Id
    name: Name
    type: ChannelType
    server_id: Id
    profile_id: Id
    created_at: Time
    updated_at: Time


class Channels(Answer, kw_only=True):
    """A page of a server's channels, the oldest first."""

    items: list[Channel]
    next: Cursor | None


class Server(Answer, kw_only=True):
    """A server, its owner (`profileId`), its standing invite code and its channels, the oldest first."""

    id: Id
    name: Name
    image_url: ImageUrl | None
    invite_code: InviteCode
    profile_id: Id
    channels: list[Channel]
    created_at: Time
    updated_at: Time


class Servers(Answer, kw_only=True):
    """A page of the caller's servers, in order of joining."""

    items: list[Server]
    next: Cursor | None


class Existence(Answer, kw_only=True):
    """The existence of a server."""

    exists: bool


class Member(Answer, kw_only=True):
    """A person in a server."""

    profile_id: Id
    name: ProfileName
    image_url: ImageUrl | None
    role: Role
    joined_at: Time


class Members(Answer, kw_only=True):
    """A page of a server's members, in order of joining."""

    items: list[Member]
    next: Cursor | None


class Invite(Answer, kw_only=True):
    """A code to join a server, limited in time and uses (`null`: unlimited)."""

    code: InviteCode
    server_id: Id
    expires_at: Time | None
    uses: int
    max_uses: MaxUses | None


class Invites(Answer, kw_only=True):
    """A page of a server's valid invites, newest first."""

    items: list[Invite]
    next: Cursor | None


class InviteCodeAnswer(Answer, kw_only=True):
    """The server's new standing code; the old one is no longer valid."""

    invite_code: InviteCode


class InvitePreview(Answer, kw_only=True):
    """A preview of the server that an invite code belongs to."""

    code: InviteCode
    server_id: Id
    server_name: Name
    image_url: ImageUrl | None
    member_count: int
    expires_at: Time | None


class ChannelAccess(Answer, kw_only=True):
    """The caller's role in a channel as of the server's `revision`; null for a non-member."""

    channel_id: Id
    server_id: Id
    type: ChannelType
    role: Role | None
    revision: Revision


class CreateServerBody(Body, kw_only=True):
    name: Name
    image_url: ImageUrl | None = None


class CreateServer(CreateServerBody, Request, kw_only=True, forbid_unknown_fields=False):
    profile_id: Id


class ListServers(PageQuery, Request, kw_only=True, forbid_unknown_fields=False):
    profile_id: Id


class OfServer(Request, kw_only=True):
    """A call about one server that needs nothing more."""

    server_id: Id
    profile_id: Id


class UpdateServerBody(Body, kw_only=True):
    name: Name | UnsetType = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET


class UpdateServer(UpdateServerBody, Request, kw_only=True, forbid_unknown_fields=False):
    server_id: Id
    profile_id: Id


class ListOfServer(PageQuery, Request, kw_only=True, forbid_unknown_fields=False):
    """A page of something that belongs to one server."""

    server_id: Id
    profile_id: Id


class CreateChannelBody(Body, kw_only=True):
    name: Name
    type: ChannelType


class CreateChannel(CreateChannelBody, Request, kw_only=True, forbid_unknown_fields=False):
    server_id: Id
    profile_id: Id


class OfChannel(Request, kw_only=True):
    """A call about one channel that needs nothing more."""

    channel_id: Id
    profile_id: Id


class UpdateChannelBody(Body, kw_only=True):
    name: Name | UnsetType = UNSET


class UpdateChannel(UpdateChannelBody, Request, kw_only=True, forbid_unknown_fields=False):
    channel_id: Id
    profile_id: Id


class OfMember(OfServer, kw_only=True):
    """A call about one member of a server; `member_id` is that member's profile id."""

    member_id: Id


class UpdateMemberBody(Body, kw_only=True):
    role: Role


class UpdateMember(UpdateMemberBody, Request, kw_only=True, forbid_unknown_fields=False):
    server_id: Id
    profile_id: Id
    member_id: Id


class CreateInviteBody(Body, kw_only=True):
    max_age_s: MaxAgeS | None = None
    max_uses: MaxUses | None = None


class CreateInvite(CreateInviteBody, Request, kw_only=True, forbid_unknown_fields=False):
    server_id: Id
    profile_id: Id


class OfInvite(Request, kw_only=True):
    """A call about one invite code."""

    code: InviteCode
    profile_id: Id


_CALLER = (e.TOKEN_MISSING, e.TOKEN_INVALID, e.TOKEN_EXPIRED)
_IN_SERVER = (*_CALLER, e.SERVER_NOT_FOUND)
_IN_CHANNEL = (*_CALLER, e.CHANNEL_NOT_FOUND)


CREATE_SERVER = Operation(
    name="create.server",
    service="server",
    summary="Create a server",
    description="It comes with a TEXT channel `general`; the creator owns it and is ADMIN.",
    request=CreateServer,
    body=CreateServerBody,
    answer=Server,
    status=201,
    result="The created server.",
    key="profile_id",
    errors=(*_CALLER, e.SERVER_LIMIT),
    idempotent=True,
)
LIST_SERVERS = Operation(
    name="get.involved.server",
    service="server",
    summary="List the servers I am in",
    request=ListServers,
    query=PageQuery,
    answer=Servers,
    result="A page of the caller's servers.",
    key="profile_id",
    errors=_CALLER,
    reads=True,
)
GET_SERVER = Operation(
    name="get.server",
    service="server",
    summary="Read a server",
    request=OfServer,
    answer=Server,
    result="The server.",
    key="server_id",
    errors=_IN_SERVER,
    reads=True,
)
UPDATE_SERVER = Operation(
    name="update.server",
    service="server",
    summary="Change a server",
    description="ADMIN only. Absent fields keep their values.",
    request=UpdateServer,
    body=UpdateServerBody,
    answer=Server,
    result="The changed server.",
    key="server_id",
    errors=(*_IN_SERVER, e.PERMISSION_DENIED),
)
DELETE_SERVER = Operation(
    name="delete.server",
    service="server",
    summary="Delete a server",
    description="ADMIN only. Its channels and their messages are deleted too.",
    request=OfServer,
    status=204,
    result="The server is deleted.",
    key="server_id",
    errors=(*_IN_SERVER, e.PERMISSION_DENIED),
)
SERVER_EXISTS = Operation(
    name="is.server.exists",
    service="server",
    summary="Does a server exist",
    description="Tells any signed-in caller whether there is a server with this id, and nothing more.",
    request=OfServer,
    answer=Existence,
    result="Whether the server exists.",
    key="server_id",
    errors=_CALLER,
    reads=True,
)
LEAVE_SERVER = Operation(
    name="leave.server",
    service="server",
    summary="Leave a server",
    request=OfServer,
    status=204,
    result="The caller has left the server.",
    key="server_id",
    errors=(*_IN_SERVER, e.OWNER_CANNOT_LEAVE),
    idempotent=True,
)
CHANNEL_CREATE = Operation(
    name="channel.create",
    service="server",
    summary="Create a channel",
    description="ADMIN or MODERATOR.",
    request=CreateChannel,
    body=CreateChannelBody,
    answer=Channel,
    status=201,
    result="The created channel.",
    key="server_id",
    errors=(*_IN_SERVER, e.PERMISSION_DENIED, e.CHANNEL_LIMIT),
    idempotent=True,
)
CHANNEL_LIST = Operation(
    name="channel.list",
    service="server",
    summary="List a server's channels",
    request=ListOfServer,
    query=PageQuery,
    answer=Channels,
    result="A page of the server's channels.",
    key="server_id",
    errors=_IN_SERVER,
    reads=True,
)
CHANNEL_GET = Operation(
    name="channel.get",
    service="server",
    summary="Read a channel",
    request=OfChannel,
    answer=Channel,
    result="The channel.",
    key="channel_id",
    errors=_IN_CHANNEL,
    reads=True,
)
CHANNEL_UPDATE = Operation(
    name="channel.update",
    service="server",
    summary="Rename a channel",
    description="ADMIN or MODERATOR.",
    request=UpdateChannel,
    body=UpdateChannelBody,
    answer=Channel,
    result="The renamed channel.",
    key="channel_id",
    errors=(*_IN_CHANNEL, e.PERMISSION_DENIED),
)
CHANNEL_DELETE = Operation(
    name="channel.delete",
    service="server",
    summary="Delete a channel",
    description="ADMIN or MODERATOR. Its messages are deleted too.",
    request=OfChannel,
    status=204,
    result="The channel is deleted.",
    key="channel_id",
    errors=(*_IN_CHANNEL, e.PERMISSION_DENIED),
)
CHANNEL_ACCESS = Operation(
    name="channel.access",
    service="server",
    callers=("message", "file"),
    summary="What may this profile do in this channel",
    description="For other services, when their own copy of the members does not know yet.",
    request=OfChannel,
    answer=ChannelAccess,
    result="The profile's rights in the channel.",
    key="channel_id",
    errors=(e.CHANNEL_NOT_FOUND,),
    reads=True,
)
MEMBER_LIST = Operation(
    name="member.list",
    service="server",
    summary="List a server's members",
    request=ListOfServer,
    query=PageQuery,
    answer=Members,
    result="A page of the server's members.",
    key="server_id",
    errors=_IN_SERVER,
    reads=True,
)
MEMBER_UPDATE = Operation(
    name="member.update",
    service="server",
    summary="Change a member's role",
    description="ADMIN only; the owner stays ADMIN.",
    request=UpdateMember,
    body=UpdateMemberBody,
    answer=Member,
    result="The member with the new role.",
    key="server_id",
    errors=(*_IN_SERVER, e.MEMBER_NOT_FOUND, e.PERMISSION_DENIED),
)
MEMBER_REMOVE = Operation(
    name="member.remove",
    service="server",
    summary="Kick a member",
    description=(
        "An ADMIN may kick anyone but the owner, a MODERATOR only a GUEST. Removing yourself is leaving."
    ),
    request=OfMember,
    status=204,
    result="The member is removed.",
    key="server_id",
    errors=(*_IN_SERVER, e.MEMBER_NOT_FOUND, e.PERMISSION_DENIED, e.OWNER_CANNOT_LEAVE),
)
INVITE_CREATE = Operation(
    name="invite.create",
    service="server",
    summary="Create an invite",
    description=(
        "ADMIN or MODERATOR. Without `maxAgeS` it never expires; without `maxUses` its uses are unlimited."
    ),
    request=CreateInvite,
    body=CreateInviteBody,
    answer=Invite,
    status=201,
    result="The created invite.",
    key="server_id",
    errors=(*_IN_SERVER, e.PERMISSION_DENIED, e.INVITE_LIMIT),
    idempotent=True,
)
INVITE_LIST = Operation(
    name="invite.list",
    service="server",
    summary="List a server's invites",
    description="ADMIN or MODERATOR. Valid invites, without the standing code.",
    request=ListOfServer,
    query=PageQuery,
    answer=Invites,
    result="A page of the server's invites.",
    key="server_id",
    errors=(*_IN_SERVER, e.PERMISSION_DENIED),
    reads=True,
)
INVITE_REVOKE = Operation(
    name="invite.revoke",
    service="server",
    summary="Revoke an invite",
    description="ADMIN or MODERATOR of the invite's server.",
    request=OfInvite,
    status=204,
    result="The invite is revoked.",
    key="code",
    errors=(*_CALLER, e.INVITE_NOT_FOUND, e.PERMISSION_DENIED),
)
INVITE_REGENERATE = Operation(
    name="invite.regenerate",
    service="server",
    summary="Replace the standing invite code",
    description="ADMIN or MODERATOR. The old standing code is no longer valid.",
    request=OfServer,
    answer=InviteCodeAnswer,
    result="The new invite code.",
    key="server_id",
    errors=(*_IN_SERVER, e.PERMISSION_DENIED),
    idempotent=True,
)
INVITE_GET = Operation(
    name="invite.get",
    service="server",
    summary="Preview an invite",
    request=OfInvite,
    answer=InvitePreview,
    result="The invite and its server's name.",
    key="code",
    errors=(*_CALLER, e.INVITE_NOT_FOUND, e.INVITE_EXPIRED),
    reads=True,
)
INVITE_ACCEPT = Operation(
    name="invite.accept",
    service="server",
    summary="Accept an invite",
    description="Returns the server. A caller who is already a member consumes no use.",
    request=OfInvite,
    answer=Server,
    result="The joined server.",
    key="code",
    errors=(*_CALLER, e.INVITE_NOT_FOUND, e.INVITE_EXPIRED, e.SERVER_LIMIT),
    idempotent=True,
)

OPERATIONS = (
    CREATE_SERVER,
    LIST_SERVERS,
    GET_SERVER,
    UPDATE_SERVER,
    DELETE_SERVER,
    SERVER_EXISTS,
    LEAVE_SERVER,
    CHANNEL_CREATE,
    CHANNEL_LIST,
    CHANNEL_GET,
    CHANNEL_UPDATE,
    CHANNEL_DELETE,
    CHANNEL_ACCESS,
    MEMBER_LIST,
    MEMBER_UPDATE,
    MEMBER_REMOVE,
    INVITE_CREATE,
    INVITE_LIST,
    INVITE_REVOKE,
    INVITE_REGENERATE,
    INVITE_GET,
    INVITE_ACCEPT,
)
