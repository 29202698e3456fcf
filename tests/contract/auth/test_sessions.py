"""Listing and ending sessions."""

from uuid import uuid4

import pytest

from shared.contracts.errors import SESSION_NOT_FOUND, TOKEN_INVALID, VALIDATION_FAILED
from tests.unit.auth.world import World, error_of


async def test_signing_out_ends_the_session(world: World) -> None:
    signed_up = await world.sign_up()
    other = await world.sign_in()
    await world.sign_out(signed_up)
    assert await error_of(world.refresh(signed_up.refresh_token)) is TOKEN_INVALID
    assert await error_of(world.verify(signed_up.access_token)) is TOKEN_INVALID
    await world.verify(other.access_token)
    (event,) = await world.events("session.revoked")
    assert (event.key, event.revision) == (signed_up.profile.id, 2)
    assert event.data == {
        "sessionId": str(world.session_id(signed_up)),
        "profileId": str(signed_up.profile.id),
    }


async def test_signing_out_twice_is_fine_and_told_once(world: World) -> None:
    signed_up = await world.sign_up()
    await world.sign_out(signed_up)
    await world.sign_out(signed_up)
    assert len(await world.revoked()) == 1


async def test_nobody_signs_somebody_else_out(world: World) -> None:
    ada, eve = await world.sign_up(), await world.sign_up(email="eve@example.org")
    eve.profile.id = ada.profile.id
    await world.sign_out(eve)
    assert await world.revoked() == []


async def test_a_session_can_be_ended_from_another(world: World) -> None:
    signed_up = await world.sign_up()
    other = await world.sign_in()
    await world.revoke(signed_up.profile.id, world.session_id(other))
    assert await world.revoked() == [world.session_id(other)]
    assert await error_of(world.refresh(other.refresh_token)) is TOKEN_INVALID
    await world.refresh(signed_up.refresh_token)


async def test_sessions_that_are_over_unknown_or_not_mine_are_not_found(world: World) -> None:
    ada, eve = await world.sign_up(), await world.sign_up(email="eve@example.org")
    assert await error_of(world.revoke(ada.profile.id, world.session_id(eve))) is SESSION_NOT_FOUND
    assert await error_of(world.revoke(ada.profile.id, uuid4())) is SESSION_NOT_FOUND
    await world.revoke(ada.profile.id, world.session_id(ada))
    assert await error_of(world.revoke(ada.profile.id, world.session_id(ada))) is SESSION_NOT_FOUND
    eves = world.session_id(eve)
    world.clock.move(days=31)
    assert await error_of(world.revoke(eve.profile.id, eves)) is SESSION_NOT_FOUND
    assert len(await world.revoked()) == 1


async def test_the_list_has_the_one_used_last_first(world: World) -> None:
    opened = [await world.sign_up(user_agent="a")]
    for agent in "bc":
        world.clock.move(minutes=1)
        opened.append(await world.sign_in(user_agent=agent))
    world.clock.move(minutes=1)
    await world.refresh(opened[1].refresh_token)
    world.clock.move(minutes=1)
    items = (await world.sessions(opened[0])).items
    assert [session.user_agent for session in items] == ["b", "c", "a"]
    assert [session.current for session in items] == [False, False, True]
    assert items[0].last_used_at > items[1].last_used_at == items[1].created_at


async def test_the_list_leaves_out_what_is_over_and_what_is_not_mine(world: World) -> None:
    await world.sign_up()
    world.clock.move(days=29)
    ended, living = await world.sign_in(), await world.sign_in()
    await world.sign_up(email="eve@example.org")
    await world.sign_out(ended)
    living_id = world.session_id(living)
    world.clock.move(days=1)
    now = world.clock.now()
    async with world.units.snapshot() as unit:
        active = await unit.sessions.active(living.profile.id, now)
        page = await unit.sessions.page(living.profile.id, now, None, 10)
    assert [session.id for session in active] == [living_id]
    assert page == active


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
async def test_pages_join_without_gap_or_overlap(world: World, limit: int) -> None:
    me = await world.sign_up()
    for number in range(4):
        world.clock.move(seconds=number % 2)
        await world.sign_in()
    whole = await world.sessions(me)
    assert len(whole.items) == 5 and whole.next is None
    page = await world.sessions(me, limit=limit)
    joined = list(page.items)
    while page.next is not None:
        page = await world.sessions(me, limit=limit, cursor=page.next)
        joined += page.items
    assert joined == whole.items


@pytest.mark.parametrize(
    "cursor", ["x", "AAAA", "f" * 32, "A" * 33, "A" * 32, "_" * 32, "AAZgxzOJWAtF\n", "é"]
)
async def test_a_cursor_that_was_never_given_is_refused(world: World, cursor: str) -> None:
    me = await world.sign_up()
    assert await error_of(world.sessions(me, cursor=cursor)) is VALIDATION_FAILED
