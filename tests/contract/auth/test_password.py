"""Changing the password."""

import pytest

from apps.auth.domain.account import REPLAY_LIFE
from shared.contracts.errors import (
    CREDENTIALS_INVALID,
    IDEMPOTENCY_MISMATCH,
    PROFILE_NOT_FOUND,
    TOKEN_INVALID,
)
from tests.unit.auth.world import PASSWORD, World, error_of

NEW = "another password"


async def test_the_new_password_works_and_the_old_one_does_not(world: World) -> None:
    me = await world.sign_up()
    await world.change_password(me, NEW)
    assert await error_of(world.sign_in()) is CREDENTIALS_INVALID
    await world.sign_in(password=NEW)


async def test_all_other_sessions_end(world: World) -> None:
    others = [await world.sign_up(), await world.sign_in()]
    me = await world.sign_in()
    stranger = await world.sign_up(email="eve@example.org")
    await world.change_password(me, NEW)
    assert sorted(await world.revoked()) == sorted(world.session_id(other) for other in others)
    assert [event.revision for event in await world.events("session.revoked")] == [2, 3]
    for other in others:
        assert await error_of(world.refresh(other.refresh_token)) is TOKEN_INVALID
    await world.refresh(me.refresh_token)
    await world.refresh(stranger.refresh_token)


async def test_the_current_password_must_be_right(world: World) -> None:
    me = await world.sign_up()
    other = await world.sign_in()
    assert await error_of(world.change_password(me, NEW, current="wrong")) is CREDENTIALS_INVALID
    assert await world.revoked() == []
    await world.refresh(other.refresh_token)
    await world.sign_in()


async def test_a_session_that_was_ended_changes_nothing(world: World) -> None:
    me = await world.sign_up()
    await world.sign_out(me)
    assert await error_of(world.change_password(me, NEW)) is TOKEN_INVALID
    await world.sign_in()


async def test_an_account_that_is_not_there(world: World) -> None:
    me = await world.sign_up()
    me.profile.id = world.issuer.ids.new()
    assert await error_of(world.change_password(me, NEW)) is PROFILE_NOT_FOUND


async def test_the_same_again_is_done_already(world: World) -> None:
    me = await world.sign_up()
    world.clock.move(days=2)
    me = await world.sign_in()
    await world.change_password(me, NEW, key="one")
    later = await world.sign_in(password=NEW)
    await world.change_password(me, NEW, key="one")
    await world.refresh(later.refresh_token)
    assert world.session_id(later) not in await world.revoked()


async def test_the_same_key_for_another_password_is_refused(world: World) -> None:
    me = await world.sign_up()
    await world.change_password(me, NEW, key="one")
    again = world.change_password(me, "third password", current=NEW, key="one")
    assert await error_of(again) is IDEMPOTENCY_MISMATCH
    await world.sign_in(password=NEW)


@pytest.mark.parametrize("key", ["one", None])
async def test_a_key_is_forgotten_after_a_day_and_no_key_is_no_key(world: World, key: str | None) -> None:
    me = await world.sign_up()
    await world.change_password(me, NEW, key=key)
    if key is not None:
        signed_in, world.clock.time = me, world.clock.time + REPLAY_LIFE
        me = await world.sign_in(password=NEW)
        assert signed_in.profile.id == me.profile.id
    await world.change_password(me, PASSWORD, current=NEW, key=key)
    await world.sign_in(password=PASSWORD)


async def test_a_hash_that_is_renewed_meanwhile_is_no_obstacle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await world.sign_up()
    hashing = world.passwords.hash

    async def slow(password: str) -> str:
        monkeypatch.setattr(world.passwords, "hash", hashing)
        world.passwords.parameters = 2
        await world.sign_in()
        return await hashing(password)

    monkeypatch.setattr(world.passwords, "hash", slow)
    await world.change_password(me, NEW)
    await world.sign_in(password=NEW)


async def test_a_password_that_is_changed_meanwhile_is_no_longer_the_current_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await world.sign_up()
    hashing = world.passwords.hash

    async def slow(password: str) -> str:
        monkeypatch.setattr(world.passwords, "hash", hashing)
        await world.change_password(me, "the faster password", key="other")
        return await hashing(password)

    monkeypatch.setattr(world.passwords, "hash", slow)
    assert await error_of(world.change_password(me, NEW)) is CREDENTIALS_INVALID
    await world.sign_in(password="the faster password")
