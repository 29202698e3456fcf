"""Guessing passwords: how often one may, who else is held up by it, and what can be learned."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apps.auth.domain.attempts import AttemptPolicy
from apps.auth.ports import UnitOfWork
from shared.contracts.errors import (
    CREDENTIALS_INVALID,
    IDEMPOTENCY_MISMATCH,
    MESH_BUSY,
    RATE_LIMITED,
    ServiceError,
)
from tests.unit.auth.world import PASSWORD, World, error_of

HOME, OFFICE, EVE = "192.0.2.1", "192.0.2.2", "203.0.113.66"
AT_ONCE = 10
"""Wrong passwords from one network."""
AT_ONCE_IN_ALL = 40


async def guess(world: World, network: str | None = EVE, email: str = "ada@example.org") -> str:
    """A wrong password; the code of its answer."""
    return (await error_of(world.sign_in(email, "wrong", network=network))).name


async def guesses(world: World, count: int, network: str = EVE, email: str = "ada@example.org") -> int:
    """Return how many of `count` wrong passwords are verified."""
    codes = [await guess(world, network, email) for _ in range(count)]
    assert set(codes) <= {CREDENTIALS_INVALID.name, RATE_LIMITED.name}
    return codes.count(CREDENTIALS_INVALID.name)


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org", "ADA@Example.org"])
async def test_known_and_unknown_e_mails_are_limited_alike(world: World, email: str) -> None:
    await world.sign_up()
    assert await guesses(world, 30, email=email) == AT_ONCE
    assert len(world.passwords.verified) == AT_ONCE
    with pytest.raises(ServiceError) as refused:
        await world.sign_in(email, "wrong", network=EVE)
    assert refused.value.retry_after_s == 120
    assert "120 s" in refused.value.detail


async def test_the_right_password_is_not_looked_at_either(world: World) -> None:
    """Otherwise there would be no limit for who guesses."""
    await world.sign_up()
    await guesses(world, AT_ONCE)
    assert await error_of(world.sign_in(network=EVE)) is RATE_LIMITED


async def test_one_more_after_a_while(world: World) -> None:
    await world.sign_up()
    await guesses(world, 20)
    world.clock.move(seconds=119)
    assert await guesses(world, 1) == 0
    world.clock.move(seconds=1)
    assert await guesses(world, 2) == 1
    world.clock.move(days=1)
    assert await guesses(world, 20) == AT_ONCE


async def test_a_clock_that_is_put_back_shuts_nobody_out(world: World) -> None:
    await world.sign_up()
    await guesses(world, AT_ONCE)
    world.clock.move(days=-1)
    assert await guesses(world, 1) == 0
    with pytest.raises(ServiceError) as refused:
        await world.sign_in(network=EVE)
    assert refused.value.retry_after_s == 120
    world.clock.move(seconds=120)
    await world.sign_in(network=EVE)
    assert await guesses(world, 5) == 1, "what was right is given back, and no more"


async def test_who_knows_the_password_is_never_counted(world: World) -> None:
    await world.sign_up()
    for _ in range(100):
        await world.sign_in(network=HOME)
    await guesses(world, AT_ONCE - 1, HOME)
    for _ in range(100):
        await world.sign_in(network=HOME)


async def test_one_network_shuts_out_no_other(world: World) -> None:
    await world.sign_up()
    await guesses(world, 100, EVE)
    await world.sign_in(network=OFFICE)


async def test_many_networks_can_not_shut_a_person_out_at_home(world: World) -> None:
    await world.sign_up(network=HOME)
    passed = [await guesses(world, 100, f"203.0.113.{number}") for number in range(10)]
    assert sum(passed) == AT_ONCE_IN_ALL
    await world.sign_in(network=HOME)
    assert await guesses(world, 100, HOME) == AT_ONCE
    assert await error_of(world.sign_in(network=OFFICE)) is RATE_LIMITED
    world.clock.move(seconds=30)
    await world.sign_in(network=OFFICE)


async def test_a_network_is_familiar_while_a_session_of_it_is_known(world: World) -> None:
    await world.sign_out(await world.sign_up(network=HOME))
    for number in range(10):
        await guesses(world, 10, f"203.0.113.{number}")
    await world.sign_in(network=HOME)


async def test_the_network_of_one_is_not_familiar_to_another(world: World) -> None:
    await world.sign_up(network=HOME)
    await world.sign_up("bob@example.org", "Bob", network=OFFICE)
    for number in range(10):
        await guesses(world, 10, f"203.0.113.{number}")
    assert await guess(world, OFFICE) == RATE_LIMITED.name


async def test_a_thousand_at_once_are_no_more_than_one_after_the_other(world: World) -> None:
    await world.sign_up()
    codes = await asyncio.gather(*(guess(world) for _ in range(50)))
    assert codes.count(CREDENTIALS_INVALID.name) == AT_ONCE == len(world.passwords.verified)


async def test_what_could_not_be_looked_at_is_not_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.sign_up()

    async def busy(password_hash: str | None, password: str) -> bool:
        raise MESH_BUSY.exception("Too many passwords are waiting to be checked.")

    with monkeypatch.context() as patched:
        patched.setattr(world.passwords, "verify", busy)
        for _ in range(30):
            assert await guess(world) == MESH_BUSY.name
    assert await guesses(world, 30) == AT_ONCE


async def test_who_is_cut_off_is_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.sign_up()
    looking = asyncio.Event()

    async def for_ever(password_hash: str | None, password: str) -> bool:
        looking.set()
        await asyncio.Event().wait()
        return True

    async def broken(password_hash: str | None, password: str) -> bool:
        raise ValueError("not a hash")

    for _ in range(AT_ONCE + 1):
        looking.clear()
        with monkeypatch.context() as patched:
            patched.setattr(world.passwords, "verify", for_ever)
            attempt = asyncio.create_task(world.sign_in(network=EVE))
            async with asyncio.timeout(5):
                await looking.wait()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
    for _ in range(AT_ONCE + 1):
        with monkeypatch.context() as patched:
            patched.setattr(world.passwords, "verify", broken)
            with pytest.raises(ValueError, match="not a hash"):
                await world.sign_in(network=EVE)
    assert await guesses(world, 30) == AT_ONCE


async def test_who_is_cut_off_once_more_while_it_is_given_back_is_not_counted_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.sign_up()
    begun, go_on, begin = asyncio.Event(), asyncio.Event(), world.units.transaction
    taken = False

    @asynccontextmanager
    async def slow() -> AsyncIterator[UnitOfWork]:
        nonlocal taken
        if taken and not begun.is_set():
            begun.set()
            await go_on.wait()
        taken = True
        async with begin() as unit:
            yield unit

    async def cancelled(password_hash: str | None, password: str) -> bool:
        raise asyncio.CancelledError

    for _ in range(2 * AT_ONCE):
        taken = False
        begun.clear()
        go_on.clear()
        with monkeypatch.context() as patched:
            patched.setattr(world.passwords, "verify", cancelled)
            patched.setattr(world.units, "transaction", slow)
            attempt = asyncio.create_task(world.sign_in(network=EVE))
            async with asyncio.timeout(5):
                await begun.wait()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            go_on.set()
            await asyncio.sleep(0.001)
    assert await guesses(world, 30) == AT_ONCE


async def test_a_stolen_token_does_not_help_to_guess_the_password(world: World) -> None:
    me = await world.sign_up()
    for _ in range(AT_ONCE):
        assert await error_of(world.change_password(me, "new password", "wrong")) is CREDENTIALS_INVALID
    assert await error_of(world.change_password(me, "new password")) is RATE_LIMITED
    await world.sign_in()
    world.clock.move(seconds=120)
    await world.change_password(me, "new password")


async def test_nor_does_the_change_key_the_last_change(world: World) -> None:
    """It tells whether a new password is the one that was set; so that counts as a guess."""
    me = await world.sign_up()
    await world.change_password(me, "new password", key="key")
    for _ in range(30):
        await world.change_password(me, "new password", key="key")
    for number in range(AT_ONCE):
        guessed = world.change_password(me, f"new password {number}", key="key")
        assert await error_of(guessed) is IDEMPOTENCY_MISMATCH
    assert await error_of(world.change_password(me, "new password", key="key")) is RATE_LIMITED


async def test_without_limits_nothing_is_counted(world: World) -> None:
    world.attempt_policy = AttemptPolicy(on=False)
    me = await world.sign_up()
    assert await guesses(world, 100) == 100
    for _ in range(20):
        assert await error_of(world.change_password(me, "new password", "wrong")) is CREDENTIALS_INVALID
    async with world.units.transaction() as unit:
        assert await unit.attempts.lock([b"x" * 32]) == {b"x" * 32: 0}


async def test_what_is_counted_is_no_text_that_somebody_typed(world: World) -> None:
    counts = AttemptPolicy().of_sign_in(PASSWORD, HOME, familiar=False)
    assert [len(key) for key in counts] == [32, 32]
    assert len({*counts, *AttemptPolicy().of_sign_in(PASSWORD, OFFICE, familiar=False)}) == 3
