"""Each operation as each role, and as someone who is no member."""

from typing import Any

import pytest

from shared.contracts import errors
from shared.contracts import server as ops
from shared.contracts.fields import Role
from shared.contracts.operation import Operation
from tests.unit.server.world import NEVER, World, refused

ADMIN, MODERATOR, GUEST = Role.ADMIN, Role.MODERATOR, Role.GUEST
ALL = {ADMIN, MODERATOR, GUEST}
MAY: dict[str, set[Role]] = {
    "get.server": ALL,
    "update.server": {ADMIN},
    "delete.server": {ADMIN},
    "leave.server": ALL,
    "channel.create": {ADMIN, MODERATOR},
    "channel.list": ALL,
    "channel.get": ALL,
    "channel.update": {ADMIN, MODERATOR},
    "channel.delete": {ADMIN, MODERATOR},
    "member.list": ALL,
    "member.update": {ADMIN},
    "member.remove": {ADMIN, MODERATOR},
    "invite.create": {ADMIN, MODERATOR},
    "invite.list": {ADMIN, MODERATOR},
    "invite.revoke": {ADMIN, MODERATOR},
    "invite.regenerate": {ADMIN, MODERATOR},
}
FOR_ANYONE = {"create.server", "get.involved.server", "is.server.exists", "channel.access"} | {
    "invite.get",
    "invite.accept",
}
OPERATIONS = {operation.name: operation for operation in ops.OPERATIONS}


async def values_for(world: World, operation: Operation) -> tuple[ops.Server, dict[str, Any]]:
    """A server with a guest and an invite, and a good request apart from who asks."""
    server = await world.server()
    target = await world.join(server)
    invite = await world.invite(server)
    offered: dict[str, Any] = {
        "server_id": server.id,
        "channel_id": server.channels[0].id,
        "member_id": target,
        "code": invite.code,
        "name": "new name",
        "type": "TEXT",
        "role": "MODERATOR",
    }
    fields = operation.request.__struct_fields__
    return server, {name: value for name, value in offered.items() if name in fields}


def test_every_operation_is_in_one_of_the_tables() -> None:
    assert OPERATIONS.keys() == MAY.keys() | FOR_ANYONE


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", MAY)
async def test_each_operation_as_each_role(world: World, name: str, role: Role) -> None:
    server, values = await values_for(world, OPERATIONS[name])
    caller = await world.join(server, role)
    count = len(await world.events())
    if role in MAY[name]:
        await world.call(OPERATIONS[name], **values, profile_id=caller)
        return
    with refused(errors.PERMISSION_DENIED, match=r"requires the role ADMIN.*yours is"):
        await world.call(OPERATIONS[name], **values, profile_id=caller)
    assert len(await world.events()) == count


@pytest.mark.parametrize("name", MAY)
async def test_who_is_no_member_sees_nothing(world: World, name: str) -> None:
    operation = OPERATIONS[name]
    _, values = await values_for(world, operation)
    count = len(await world.events())
    unknown = {"server_id": NEVER, "channel_id": NEVER, "code": "nonsense"}
    kinds = {"server_id": errors.SERVER_NOT_FOUND, "channel_id": errors.CHANNEL_NOT_FOUND}
    place = next(name for name in unknown if name in values)
    for request in (values, {**values, place: unknown[place]}):
        with refused(kinds.get(place, errors.INVITE_NOT_FOUND)):
            await world.call(operation, **request, profile_id=world.person())
    assert len(await world.events()) == count


@pytest.mark.parametrize("name", MAY)
async def test_every_error_is_declared_in_the_contract(name: str) -> None:
    declared = {kind.name for kind in OPERATIONS[name].errors}
    assert (MAY[name] == ALL) is (errors.PERMISSION_DENIED.name not in declared)
