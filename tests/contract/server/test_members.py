"""Members: listed with their names, given roles, kicked."""

import pytest

from apps.server.usecases.store_profile import store_profile
from shared.contracts import errors
from shared.contracts import server as ops
from shared.contracts.account import PublicProfile
from shared.contracts.fields import Role
from tests.unit.server.world import NEVER, World, refused


async def test_members_are_listed_by_when_they_joined_with_their_names(world: World) -> None:
    ada = world.person("Ada")
    server = await world.server(ada)
    people = [ada]
    for number in range(4):
        world.clock.move(seconds=number // 2)
        people.append(await world.join(server, person=world.person(f"p{number}")))
    await world.join(await world.server())
    await world.call(  # rows that were written last are not those that joined last
        ops.MEMBER_UPDATE, server_id=server.id, profile_id=ada, member_id=people[1], role="MODERATOR"
    )
    who = {"server_id": server.id, "profile_id": people[-1]}
    pages = await world.pages(ops.MEMBER_LIST, limit=2, **who)
    listed = [member for page in pages for member in page]
    assert [member.profile_id for member in listed] == people
    assert [member.name for member in listed] == ["Ada", "p0", "p1", "p2", "p3"]
    assert [member.role for member in listed] == [Role.ADMIN, Role.MODERATOR] + [Role.GUEST] * 3
    assert listed[0].joined_at == server.created_at
    assert listed[0].image_url is None


async def test_auth_is_asked_once_and_only_for_the_unknown(world: World) -> None:
    ada, bob = world.person("Ada"), world.person("Bob")
    server = await world.server(ada)
    who = {"server_id": server.id, "profile_id": ada}
    await world.call(ops.MEMBER_LIST, **who)
    await world.join(server, person=bob)
    for _ in range(2):
        await world.call(ops.MEMBER_LIST, **who)
    assert world.auth.requests == [[ada], [bob]]


async def test_an_event_is_newer_than_what_auth_said(world: World) -> None:
    ada = world.person("Ada")
    server = await world.server(ada)
    who = {"server_id": server.id, "profile_id": ada}
    await world.call(ops.MEMBER_LIST, **who)
    for revision, name in ((3, "Countess"), (2, "Late"), (3, "Again")):
        async with world.units.transaction() as unit:
            profile = PublicProfile(
                id=ada, name=name, image_url="https://example.org/a.png", revision=revision
            )
            await store_profile(profile, unit)
    (member,) = (await world.call(ops.MEMBER_LIST, **who)).items
    assert (member.name, member.image_url) == ("Countess", "https://example.org/a.png")
    assert world.auth.requests == [[ada]]


async def test_an_event_that_came_while_auth_was_asked_wins(world: World) -> None:
    ada = world.person("Old")
    server = await world.server(ada)
    ask = world.auth.profiles

    async def slowly(reader_id: object, ids: list[object]) -> object:
        answer = await ask(reader_id, ids)  # type: ignore[arg-type]
        async with world.units.transaction() as unit:
            await store_profile(PublicProfile(id=ada, name="New", image_url=None, revision=2), unit)
        return answer

    world.auth.profiles = slowly  # type: ignore[assignment, method-assign]
    (member,) = (await world.call(ops.MEMBER_LIST, server_id=server.id, profile_id=ada)).items
    assert member.name == "New"


async def test_when_auth_is_away_its_error_comes_through(world: World) -> None:
    ada = world.person()
    server = await world.server(ada)

    async def away(reader_id: object, ids: object) -> object:
        raise errors.MESH_TIMEOUT.exception("profiles.get did not answer in time.")

    world.auth.profiles = away  # type: ignore[assignment, method-assign]
    with refused(errors.MESH_TIMEOUT):
        await world.call(ops.MEMBER_LIST, server_id=server.id, profile_id=ada)


async def test_who_is_unknown_to_auth_is_listed_all_the_same(world: World) -> None:
    ghost = world.ids.new()
    server = await world.server(ghost)
    (member,) = (await world.call(ops.MEMBER_LIST, server_id=server.id, profile_id=ghost)).items
    assert (member.profile_id, member.name, member.image_url) == (ghost, "unknown", None)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MODERATOR])
async def test_an_admin_gives_roles(world: World, role: Role) -> None:
    server = await world.server()
    bob = await world.join(server, person=world.person("Bob"))
    count = len(await world.events())
    world.clock.move(seconds=9)
    member = await world.call(
        ops.MEMBER_UPDATE, server_id=server.id, profile_id=server.profile_id, member_id=bob, role=role
    )
    assert (member.profile_id, member.name, member.role) == (bob, "Bob", role)
    assert await world.role_of(server, bob) is role
    (event,) = await world.events_since(count)
    assert (event.type, event.key, event.revision) == ("member.updated", server.id, 5)
    assert event.data == {
        "serverId": str(server.id),
        "profileId": str(bob),
        "role": role.value,
        "joinedAt": "2026-05-01T12:00:00Z",
    }


async def test_giving_the_same_role_again_publishes_nothing(world: World) -> None:
    server = await world.server()
    guest = await world.join(server)
    count = len(await world.events())
    who = {"server_id": server.id, "profile_id": server.profile_id}
    member = await world.call(ops.MEMBER_UPDATE, **who, member_id=guest, role="GUEST")
    assert member.role is Role.GUEST
    await world.call(ops.MEMBER_UPDATE, **who, member_id=server.profile_id, role="ADMIN")
    assert len(await world.events()) == count


@pytest.mark.parametrize("role", ["MODERATOR", "GUEST"])
async def test_the_owner_stays_admin(world: World, role: str) -> None:
    server = await world.server()
    admin = await world.join(server, Role.ADMIN)
    count = len(await world.events())
    for caller in (admin, server.profile_id):
        with refused(errors.PERMISSION_DENIED, match="owner"):
            await world.call(
                ops.MEMBER_UPDATE,
                server_id=server.id,
                profile_id=caller,
                member_id=server.profile_id,
                role=role,
            )
    assert len(await world.events()) == count
    assert await world.role_of(server, server.profile_id) is Role.ADMIN


async def test_an_admin_can_step_down(world: World) -> None:
    server = await world.server()
    admin = await world.join(server, Role.ADMIN)
    who = {"server_id": server.id, "profile_id": admin, "member_id": admin}
    await world.call(ops.MEMBER_UPDATE, **who, role="GUEST")
    with refused(errors.PERMISSION_DENIED):
        await world.call(ops.MEMBER_UPDATE, **who, role="ADMIN")


@pytest.mark.parametrize("operation", [ops.MEMBER_UPDATE, ops.MEMBER_REMOVE])
async def test_who_is_no_member_can_not_be_changed(world: World, operation: ops.Operation) -> None:
    server = await world.server()
    values = {"role": "GUEST"} if operation is ops.MEMBER_UPDATE else {}
    for nobody in (NEVER, world.person()):
        with refused(errors.MEMBER_NOT_FOUND):
            await world.call(
                operation, server_id=server.id, profile_id=server.profile_id, member_id=nobody, **values
            )


KICKS = {
    Role.ADMIN: {Role.ADMIN, Role.MODERATOR, Role.GUEST},
    Role.MODERATOR: {Role.GUEST},
    Role.GUEST: set(),
}


@pytest.mark.parametrize("target", Role)
@pytest.mark.parametrize("role", Role)
async def test_who_kicks_whom(world: World, role: Role, target: Role) -> None:
    server = await world.server()
    caller, person = await world.join(server, role), await world.join(server, target)
    count = len(await world.events())
    who = {"server_id": server.id, "profile_id": caller, "member_id": person}
    if target not in KICKS[role]:
        with refused(errors.PERMISSION_DENIED, match="ADMIN"):
            await world.call(ops.MEMBER_REMOVE, **who)
        assert await world.role_of(server, person) is target
        assert len(await world.events()) == count
        return
    await world.call(ops.MEMBER_REMOVE, **who)
    assert await world.role_of(server, person) is None
    (event,) = await world.events_since(count)
    assert (event.type, event.key, event.revision) == ("member.left", server.id, count + 1)
    assert event.data == {"serverId": str(server.id), "profileId": str(person), "reason": "KICKED"}


@pytest.mark.parametrize("role", Role)
async def test_nobody_kicks_the_owner(world: World, role: Role) -> None:
    server = await world.server()
    caller = await world.join(server, role)
    with refused(errors.PERMISSION_DENIED):
        await world.call(
            ops.MEMBER_REMOVE, server_id=server.id, profile_id=caller, member_id=server.profile_id
        )
    assert await world.role_of(server, server.profile_id) is Role.ADMIN


async def test_who_removes_himself_leaves(world: World) -> None:
    server = await world.server()
    guest = await world.join(server)
    await world.call(ops.MEMBER_REMOVE, server_id=server.id, profile_id=guest, member_id=guest)
    assert (await world.events())[-1].data["reason"] == "LEFT"
    owner = server.profile_id
    with refused(errors.OWNER_CANNOT_LEAVE):
        await world.call(ops.MEMBER_REMOVE, server_id=server.id, profile_id=owner, member_id=owner)


async def test_who_was_kicked_may_come_back_as_a_guest(world: World) -> None:
    server = await world.server()
    person = await world.join(server, Role.MODERATOR)
    await world.call(ops.MEMBER_REMOVE, server_id=server.id, profile_id=server.profile_id, member_id=person)
    world.clock.move(seconds=1)
    await world.join(server, person=person)
    assert await world.role_of(server, person) is Role.GUEST
    preview = await world.call(ops.INVITE_GET, code=server.invite_code, profile_id=person)
    assert preview.member_count == 2
