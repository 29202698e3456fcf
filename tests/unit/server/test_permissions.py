"""Permissions: the complete table of roles and actions."""

import pytest

from apps.server.domain.permissions import Action, kick, may, require
from shared.contracts import errors
from shared.contracts.fields import Role
from tests.unit.server.world import refused

ADMIN, MODERATOR, GUEST = Role.ADMIN, Role.MODERATOR, Role.GUEST
TABLE = {
    Action.UPDATE_SERVER: {ADMIN},
    Action.DELETE_SERVER: {ADMIN},
    Action.CREATE_CHANNEL: {ADMIN, MODERATOR},
    Action.UPDATE_CHANNEL: {ADMIN, MODERATOR},
    Action.DELETE_CHANNEL: {ADMIN, MODERATOR},
    Action.CREATE_INVITE: {ADMIN, MODERATOR},
    Action.LIST_INVITES: {ADMIN, MODERATOR},
    Action.REVOKE_INVITE: {ADMIN, MODERATOR},
    Action.REGENERATE_CODE: {ADMIN, MODERATOR},
    Action.UPDATE_MEMBER: {ADMIN},
    Action.KICK_GUEST: {ADMIN, MODERATOR},
    Action.KICK_MODERATOR: {ADMIN},
    Action.KICK_ADMIN: {ADMIN},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_a_role_allows_exactly_the_actions_of_the_table(role: Role, action: Action) -> None:
    assert may(role, action) is (role in TABLE[action])


@pytest.mark.parametrize(
    ("action", "detail"),
    [
        (Action.UPDATE_SERVER, "Changing the server requires the role ADMIN; yours is GUEST."),
        (Action.CREATE_CHANNEL, "Creating a channel requires the role ADMIN or MODERATOR; yours is GUEST."),
        (Action.KICK_GUEST, "Kicking a GUEST requires the role ADMIN or MODERATOR; yours is GUEST."),
    ],
)
def test_the_error_names_the_roles_that_suffice(action: Action, detail: str) -> None:
    with refused(errors.PERMISSION_DENIED, match=detail):
        require(Role.GUEST, action)
    require(Role.ADMIN, action)


def test_kicking_depends_on_the_target_role() -> None:
    assert [kick(role) for role in Role] == [Action.KICK_ADMIN, Action.KICK_MODERATOR, Action.KICK_GUEST]
