"""Routes of servers, channels, members and invites, served by the server service."""

from apps.gateway.routes.route import Route
from shared.contracts.server import (
    CHANNEL_CREATE,
    CHANNEL_DELETE,
    CHANNEL_GET,
    CHANNEL_LIST,
    CHANNEL_UPDATE,
    CREATE_SERVER,
    DELETE_SERVER,
    GET_SERVER,
    INVITE_ACCEPT,
    INVITE_CREATE,
    INVITE_GET,
    INVITE_LIST,
    INVITE_REGENERATE,
    INVITE_REVOKE,
    LEAVE_SERVER,
    LIST_SERVERS,
    MEMBER_LIST,
    MEMBER_REMOVE,
    MEMBER_UPDATE,
    SERVER_EXISTS,
    UPDATE_SERVER,
)

_SERVERS, _CHANNELS, _MEMBERS, _INVITES = "Servers", "Channels", "Members", "Invites"
_SERVER = "/api/servers/{serverId}"

ROUTES = (
    Route("POST", "/api/servers", CREATE_SERVER, _SERVERS),
    Route("GET", "/api/servers", LIST_SERVERS, _SERVERS),
    Route("GET", _SERVER, GET_SERVER, _SERVERS),
    Route("PATCH", _SERVER, UPDATE_SERVER, _SERVERS),
    Route("DELETE", _SERVER, DELETE_SERVER, _SERVERS),
    Route("GET", f"{_SERVER}/exists", SERVER_EXISTS, _SERVERS),
    Route("POST", f"{_SERVER}/leave", LEAVE_SERVER, _SERVERS),
    Route("POST", f"{_SERVER}/channels", CHANNEL_CREATE, _CHANNELS),
    Route("GET", f"{_SERVER}/channels", CHANNEL_LIST, _CHANNELS),
    Route("GET", "/api/channels/{channelId}", CHANNEL_GET, _CHANNELS),
    Route("PATCH", "/api/channels/{channelId}", CHANNEL_UPDATE, _CHANNELS),
    Route("DELETE", "/api/channels/{channelId}", CHANNEL_DELETE, _CHANNELS),
    Route("GET", f"{_SERVER}/members", MEMBER_LIST, _MEMBERS),
    Route("PATCH", f"{_SERVER}/members/{{memberId}}", MEMBER_UPDATE, _MEMBERS),
    Route("DELETE", f"{_SERVER}/members/{{memberId}}", MEMBER_REMOVE, _MEMBERS),
    Route("POST", f"{_SERVER}/invites", INVITE_CREATE, _INVITES),
    Route("GET", f"{_SERVER}/invites", INVITE_LIST, _INVITES),
    Route("POST", f"{_SERVER}/invite-code", INVITE_REGENERATE, _INVITES),
    Route("GET", "/api/invites/{code}", INVITE_GET, _INVITES),
    Route("POST", "/api/invites/{code}", INVITE_ACCEPT, _INVITES),
    Route("DELETE", "/api/invites/{code}", INVITE_REVOKE, _INVITES),
)
