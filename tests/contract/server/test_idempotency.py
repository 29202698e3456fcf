"""An Idempotency-Key, and a record that comes twice, have their effect once."""

import asyncio

import pytest

from shared.contracts import errors
from shared.contracts import server as ops
from shared.contracts.fields import Role
from shared.contracts.operation import Operation
from tests.contract.server.test_permissions import values_for
from tests.unit.server.world import World, refused


@pytest.fixture
def world(postgres_world: World) -> World:
    """Run on Postgres only."""
    return postgres_world


ONCE = [operation for operation in ops.OPERATIONS if operation.idempotent]


@pytest.mark.parametrize("operation", ONCE, ids=lambda operation: operation.name)
async def test_the_same_key_has_one_effect_and_one_answer(world: World, operation: Operation) -> None:
    server, values = await values_for(world, operation)
    fresh = operation in (ops.INVITE_ACCEPT, ops.CREATE_SERVER)
    caller = world.person() if fresh else await world.join(server, Role.MODERATOR)
    count = len(await world.events())
    request = {**values, "profile_id": caller, "idempotency_key": "POST key-1"}
    first, second = await asyncio.gather(world.call(operation, **request), world.call(operation, **request))
    happened = len(await world.events()) - count
    third = await world.call(operation, **request)
    assert first == second == third
    assert len(await world.events()) - count == happened
    assert happened == {"create.server": 3, "invite.create": 0}.get(operation.name, 1)


async def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    ada = world.person()
    await world.call(ops.CREATE_SERVER, profile_id=ada, name="one", idempotency_key="k")
    with refused(errors.IDEMPOTENCY_MISMATCH):
        await world.call(ops.CREATE_SERVER, profile_id=ada, name="two", idempotency_key="k")
    await world.call(ops.CREATE_SERVER, profile_id=world.person(), name="two", idempotency_key="k")
    assert len((await world.call(ops.LIST_SERVERS, profile_id=ada)).items) == 1


async def test_a_refusal_is_remembered_too_and_leaves_nothing_behind(world: World) -> None:
    server = await world.server()
    invite = await world.invite(server, max_age_s=60)
    bob = world.person()
    world.clock.move(seconds=60)
    for _ in range(2):
        with refused(errors.INVITE_EXPIRED):
            await world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=bob, idempotency_key="k")
    assert await world.role_of(server, bob) is None
    assert len(await world.events()) == 3
