"""Sweeping up what is over."""

import pytest

from apps.auth.usecases.sweep import sweep
from shared.contracts.errors import TOKEN_EXPIRED, TOKEN_INVALID
from tests.unit.auth.world import World, error_of


async def swept(world: World) -> int:
    return await sweep(world.expired_rows, world.issuer.policy, world.clock)


async def test_what_is_in_use_stays(world: World) -> None:
    first = (await world.sign_up()).refresh_token
    await world.sign_out(await world.sign_in())
    second = (await world.refresh(first)).refresh_token
    third = (await world.refresh(second)).refresh_token
    world.clock.move(days=7)
    assert await swept(world) == 0
    await world.refresh(third)
    await error_of(world.refresh(first))
    assert len(await world.revoked()) == 2


async def test_an_ended_session_goes_after_a_while_with_its_tokens(world: World) -> None:
    signed_up = await world.sign_up()
    await world.refresh(signed_up.refresh_token)
    living = await world.sign_in()
    await world.sign_out(signed_up)
    session_id = world.session_id(signed_up)
    world.clock.move(days=7, seconds=1)
    assert await swept(world) == 3
    async with world.units.snapshot() as unit:
        assert await unit.sessions.by_id(session_id) is None
    assert await error_of(world.refresh(signed_up.refresh_token)) is TOKEN_INVALID
    await world.refresh(living.refresh_token)
    assert await swept(world) == 0


async def test_what_ran_out_is_told_so_for_a_while_and_then_goes(world: World) -> None:
    token = (await world.sign_up()).refresh_token
    world.clock.move(days=37)
    assert await swept(world) == 0
    assert await error_of(world.refresh(token)) is TOKEN_EXPIRED
    world.clock.move(seconds=1)
    assert await swept(world) == 2
    assert await error_of(world.refresh(token)) is TOKEN_INVALID


async def test_dead_tokens_of_a_living_session_go_when_they_have_run_out(world: World) -> None:
    first = (await world.sign_up()).refresh_token
    world.clock.move(days=20)
    second = (await world.refresh(first)).refresh_token
    world.clock.move(days=17)
    third = (await world.refresh(second)).refresh_token
    assert await swept(world) == 0
    world.clock.move(seconds=1)
    assert await swept(world) == 1
    await world.refresh(third)


async def test_it_goes_on_until_all_is_done_and_no_further_than_it_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.auth.usecases.sweep.BATCH_MAX", 2)
    monkeypatch.setattr("apps.auth.usecases.sweep.BATCHES_MAX", 2)
    token = (await world.sign_up()).refresh_token
    for _ in range(6):
        token = (await world.refresh(token)).refresh_token
    world.clock.move(days=38)
    assert await swept(world) == 4
    assert await swept(world) == 3 + 1
    assert await swept(world) == 0


async def test_counts_of_wrong_passwords_go_when_they_are_paid_back(world: World) -> None:
    await error_of(world.sign_in("one@example.org", "wrong", network="192.0.2.1"))
    world.clock.move(seconds=90)
    assert await swept(world) == 1, "what the account as a whole has is paid back sooner"
    world.clock.move(seconds=31)
    assert await swept(world) == 1
    assert await swept(world) == 0
