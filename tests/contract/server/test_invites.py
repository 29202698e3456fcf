"""Invites: made, listed, looked at, accepted, revoked; and the standing code."""

from datetime import timedelta
from uuid import UUID

import pytest

from apps.server.domain.invites import INVITES_MAX, InviteRecord
from apps.server.ports import UnitOfWork
from shared.contracts import errors
from shared.contracts import server as ops
from shared.contracts.fields import Role
from tests.unit.server.world import World, refused


async def fill(unit: UnitOfWork, server: ops.Server, count: int, world: World, *, good: bool) -> list[str]:
    """Give a server this many invites without asking for each."""
    now, codes = world.clock.now(), []
    for _ in range(count):
        invite = InviteRecord(
            id=world.ids.new(),
            code=world.ids.new().hex,
            server_id=server.id,
            profile_id=server.profile_id,
            created_at=now,
            expires_at=None if good else now,
            uses=0,
            max_uses=None,
            used_at=None,
        )
        await unit.invites.add(invite)
        codes.append(invite.code)
    return codes


async def uses_of(world: World, server: ops.Server) -> dict[str, int]:
    page = await world.call(ops.INVITE_LIST, server_id=server.id, profile_id=server.profile_id)
    return {invite.code: invite.uses for invite in page.items}


async def test_a_new_invite(world: World) -> None:
    server = await world.server()
    moderator = await world.join(server, Role.MODERATOR)
    count = len(await world.events())
    who = {"server_id": server.id, "profile_id": moderator}
    bounded = await world.call(ops.INVITE_CREATE, **who, max_age_s=60, max_uses=2)
    assert (bounded.server_id, bounded.uses, bounded.max_uses) == (server.id, 0, 2)
    assert bounded.expires_at == world.clock.now() + timedelta(seconds=60)
    free = await world.call(ops.INVITE_CREATE, **who)
    assert (free.expires_at, free.max_uses) == (None, None)
    assert len({bounded.code, free.code, server.invite_code}) == 3
    assert len(await world.events()) == count  # invites are nobody else's business


async def test_the_preview(world: World) -> None:
    server = await world.server(name="Engine")
    guest = await world.join(server)
    invite = await world.invite(server, max_age_s=60)
    for code, expires_at in ((server.invite_code, None), (invite.code, invite.expires_at)):
        assert await world.call(ops.INVITE_GET, code=code, profile_id=world.person()) == ops.InvitePreview(
            code=code,
            server_id=server.id,
            server_name="Engine",
            image_url=None,
            member_count=2,
            expires_at=expires_at,
        )
    await world.call(ops.LEAVE_SERVER, server_id=server.id, profile_id=guest)
    assert (await world.call(ops.INVITE_GET, code=invite.code, profile_id=guest)).member_count == 1


@pytest.mark.parametrize("standing", [True, False])
async def test_joining(world: World, standing: bool) -> None:
    server = await world.server()
    code = server.invite_code if standing else (await world.invite(server)).code
    bob = world.person("Bob")
    world.clock.move(seconds=1)
    joined = await world.call(ops.INVITE_ACCEPT, code=code, profile_id=bob)
    assert joined == server == await world.call(ops.GET_SERVER, server_id=server.id, profile_id=bob)
    assert await world.role_of(server, bob) is Role.GUEST
    (event,) = await world.events_since(3)
    assert (event.type, event.key, event.revision) == ("member.joined", server.id, 4)
    assert event.data == {
        "serverId": str(server.id),
        "profileId": str(bob),
        "role": "GUEST",
        "joinedAt": "2026-05-01T12:00:01Z",
    }


async def test_an_invite_is_used_up(world: World) -> None:
    server = await world.server()
    invite = await world.invite(server, max_uses=2)
    first, second, third = world.person(), world.person(), world.person()
    await world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=first)
    assert await uses_of(world, server) == {invite.code: 1}
    await world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=second)
    count = len(await world.events())
    for operation in (ops.INVITE_ACCEPT, ops.INVITE_GET):
        with refused(errors.INVITE_EXPIRED):
            await world.call(operation, code=invite.code, profile_id=third)
    assert await world.role_of(server, third) is None
    assert await uses_of(world, server) == {}
    again = await world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=second)
    assert again.id == server.id
    assert len(await world.events()) == count


async def test_who_is_in_uses_nothing_up(world: World) -> None:
    server = await world.server()
    invite = await world.invite(server, max_uses=2)
    guest = await world.join(server)
    count = len(await world.events())
    for person in (guest, server.profile_id):
        assert await world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=person) == server
    assert await uses_of(world, server) == {invite.code: 0}
    assert len(await world.events()) == count


async def test_an_invite_expires_on_the_second(world: World) -> None:
    server = await world.server()
    invite = await world.invite(server, max_age_s=60)
    world.clock.move(seconds=59.999)
    await world.call(ops.INVITE_ACCEPT, code=invite.code, profile_id=world.person())
    world.clock.move(seconds=0.001)
    for operation in (ops.INVITE_ACCEPT, ops.INVITE_GET):
        with refused(errors.INVITE_EXPIRED):
            await world.call(operation, code=invite.code, profile_id=world.person())


@pytest.mark.parametrize("operation", [ops.INVITE_GET, ops.INVITE_ACCEPT, ops.INVITE_REVOKE])
async def test_an_unknown_code(world: World, operation: ops.Operation) -> None:
    await world.server()
    with refused(errors.INVITE_NOT_FOUND):
        await world.call(operation, code="nonsense", profile_id=world.person())


async def test_invites_are_listed_newest_first_without_what_is_no_longer_good(world: World) -> None:
    server = await world.server()
    brief = await world.invite(server, max_age_s=1)
    once = await world.invite(server, max_uses=1)
    codes = []
    for number in range(5):
        world.clock.move(seconds=number // 2)
        codes.append((await world.invite(server)).code)
    await world.invite(await world.server())
    for code in (once.code, codes[2]):  # rows that were written last are not those that were made last
        await world.call(ops.INVITE_ACCEPT, code=code, profile_id=world.person())
    world.clock.move(seconds=1)
    who = {"server_id": server.id, "profile_id": server.profile_id}
    pages = await world.pages(ops.INVITE_LIST, limit=2, **who)
    listed = [invite.code for page in pages for invite in page]
    assert listed == codes[::-1]
    assert brief.code not in listed and server.invite_code not in listed
    assert [len(page) for page in pages] == [2, 2, 1]


async def test_revoking(world: World) -> None:
    server = await world.server()
    moderator = await world.join(server, Role.MODERATOR)
    invite, other = await world.invite(server), await world.invite(server)
    await world.call(ops.INVITE_REVOKE, code=invite.code, profile_id=moderator)
    for operation in (ops.INVITE_GET, ops.INVITE_ACCEPT, ops.INVITE_REVOKE):
        with refused(errors.INVITE_NOT_FOUND):
            await world.call(operation, code=invite.code, profile_id=moderator)
    assert await uses_of(world, server) == {other.code: 0}


async def test_who_may_not_revoke(world: World) -> None:
    server = await world.server()
    guest = await world.join(server)
    invite = await world.invite(server)
    for code in (invite.code, server.invite_code):
        with refused(errors.PERMISSION_DENIED, match="ADMIN or MODERATOR"):
            await world.call(ops.INVITE_REVOKE, code=code, profile_id=guest)
        with refused(errors.INVITE_NOT_FOUND):
            await world.call(ops.INVITE_REVOKE, code=code, profile_id=world.person())
    assert (await world.get(server)).invite_code == server.invite_code


async def test_revoking_the_standing_code_replaces_it(world: World) -> None:
    server = await world.server()
    await world.call(ops.INVITE_REVOKE, code=server.invite_code, profile_id=server.profile_id)
    await assert_replaced(world, server, (await world.get(server)).invite_code)


async def test_regenerating_the_standing_code(world: World) -> None:
    server = await world.server()
    answer = await world.call(ops.INVITE_REGENERATE, server_id=server.id, profile_id=server.profile_id)
    await assert_replaced(world, server, answer.invite_code)


async def assert_replaced(world: World, server: ops.Server, code: str) -> None:
    assert code != server.invite_code
    assert (await world.get(server)).invite_code == code
    with refused(errors.INVITE_NOT_FOUND):
        await world.call(ops.INVITE_ACCEPT, code=server.invite_code, profile_id=world.person())
    (event,) = await world.events_since(3)
    assert (event.type, event.key, event.revision) == ("server.updated", server.id, 4)
    assert code not in str(event.data)
    bob = world.person()
    await world.call(ops.INVITE_ACCEPT, code=code, profile_id=bob)
    assert await world.role_of(server, bob) is Role.GUEST


async def test_a_server_has_1000_good_invites_at_most(world: World) -> None:
    server = await world.server()
    async with world.units.transaction() as unit:
        codes = await fill(unit, server, INVITES_MAX - 1, world, good=True)
        await fill(unit, server, 5, world, good=False)
    await world.invite(server)
    with refused(errors.INVITE_LIMIT):
        await world.invite(server)
    await world.call(ops.INVITE_REVOKE, code=codes[0], profile_id=server.profile_id)
    await world.invite(server)


async def test_a_great_many_spent_invites_are_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.server.usecases.create_invite.INVITES_STORED_MAX", 20)
    server = await world.server()
    good = await world.invite(server)
    async with world.units.transaction() as unit:
        spent = await fill(unit, server, 19, world, good=False)
    with refused(errors.INVITE_EXPIRED):
        await world.call(ops.INVITE_GET, code=spent[0], profile_id=world.person())
    newer = await world.invite(server)
    with refused(errors.INVITE_NOT_FOUND):
        await world.call(ops.INVITE_GET, code=spent[0], profile_id=world.person())
    assert await uses_of(world, server) == {newer.code: 0, good.code: 0}
    assert (await counts(world, server.id)) == (2, 2)


async def counts(world: World, server_id: UUID) -> tuple[int, int]:
    async with world.units.snapshot() as unit:
        good, every = await unit.invites.count(server_id, world.clock.now())
        return good, every
