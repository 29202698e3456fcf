"""Permissions: the actions that each role allows."""

from enum import StrEnum

from shared.contracts.errors import PERMISSION_DENIED
from shared.contracts.fields import Role


class Action(StrEnum):
    """Something that a role allows or forbids; the value is its name in error messages."""

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
# Reading, writing and leaving are not actions: every member may do them.
_ALLOWED = {Role.GUEST: frozenset[Action](), Role.MODERATOR: _MODERATOR, Role.ADMIN: frozenset(Action)}
_KICK = {Role.GUEST: Action.KICK_GUEST, Role.MODERATOR: Action.KICK_MODERATOR, Role.ADMIN: Action.KICK_ADMIN}


def may(role: Role, action: Action) -> bool:
    """Return True if the role allows the action."""
    return action in _ALLOWED[role]


def require(role: Role, action: Action) -> None:
    """Raise `permission.denied`, naming the roles that suffice, if the role does not allow the action."""
    if not may(role, action):
        sufficient = " or ".join(candidate for candidate in Role if may(candidate, action))
        subject = f"{action[0].upper()}{action[1:]}"
        raise PERMISSION_DENIED.exception(f"{subject} requires the role {sufficient}; yours is {role}.")


def kick(target: Role) -> Action:
    """Return the action of kicking a member of this role."""
    return _KICK[target]
