"""Signing in."""

import pytest

from shared.contracts.errors import CREDENTIALS_INVALID
from tests.unit.auth.world import PASSWORD, World, error_of


async def test_a_new_session_begins(world: World) -> None:
    signed_up = await world.sign_up()
    signed_in = await world.sign_in(email="ADA@example.org")
    assert signed_in.profile == signed_up.profile
    assert world.session_id(signed_in) != world.session_id(signed_up)


@pytest.mark.parametrize(
    ("email", "password"),
    [("ada@example.org", "wrong"), ("eve@example.org", PASSWORD), ("ada@example.org", PASSWORD + " ")],
)
async def test_what_is_wrong_is_not_told(world: World, email: str, password: str) -> None:
    await world.sign_up()
    assert await error_of(world.sign_in(email=email, password=password)) is CREDENTIALS_INVALID


async def test_known_and_unknown_e_mails_cost_the_same(world: World) -> None:
    """One hash is verified in each case: that of the account, or the one that stands in for it."""
    await world.sign_up()
    await error_of(world.sign_in(password="wrong"))
    await error_of(world.sign_in(email="eve@example.org", password="wrong"))
    known, unknown = world.passwords.verified
    assert known is not None and unknown is None
    assert world.passwords.hashed == 1


async def test_an_old_hash_is_made_anew_once(world: World) -> None:
    await world.sign_up()
    world.passwords.parameters = 2
    await error_of(world.sign_in(password="wrong"))
    assert world.passwords.hashed == 1
    await world.sign_in()
    await world.sign_in()
    assert world.passwords.hashed == 2
    assert world.passwords.verified[-1] == f"2${PASSWORD}"


async def test_a_password_that_is_changed_meanwhile_is_verified_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_up = await world.sign_up()
    verify = world.passwords.verify

    async def slow(password_hash: str | None, password: str) -> bool:
        monkeypatch.setattr(world.passwords, "verify", verify)
        right = await verify(password_hash, password)
        await world.change_password(signed_up, new="another password")
        return right

    monkeypatch.setattr(world.passwords, "verify", slow)
    assert await error_of(world.sign_in()) is CREDENTIALS_INVALID
    assert len((await world.sessions(signed_up)).items) == 1


async def test_the_same_call_again_opens_no_second_session(world: World) -> None:
    signed_up = await world.sign_up()
    first = await world.sign_in(call_id="one")
    again = await world.sign_in(call_id="one")
    assert world.session_id(again) == world.session_id(first)
    assert len((await world.sessions(signed_up)).items) == 2
    await world.refresh(again.refresh_token)


async def test_the_same_call_again_does_not_open_what_was_ended(world: World) -> None:
    await world.sign_up()
    first = await world.sign_in(call_id="one")
    await world.sign_out(first)
    assert await error_of(world.sign_in(call_id="one")) is CREDENTIALS_INVALID


async def test_there_is_a_bound_and_the_one_used_longest_ago_goes(world: World) -> None:
    most = world.issuer.policy.sessions_max
    opened = [await world.sign_up()]
    for _ in range(most - 1):
        world.clock.move(seconds=1)
        opened.append(await world.sign_in())
    world.clock.move(seconds=1)
    kept = await world.refresh(opened[0].refresh_token)
    newest = await world.sign_in()
    assert await world.revoked() == [world.session_id(opened[1])]
    assert len((await world.sessions(newest)).items) == most
    await world.refresh(kept.refresh_token)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("curl/8", "curl/8"), ("a\0b", "ab"), ("x" * 300, "x" * 256), ("\0 ", None), ("", None), (None, None)],
)
async def test_a_user_agent_is_cut_and_cleaned(world: World, sent: str | None, kept: str | None) -> None:
    signed_up = await world.sign_up(user_agent=sent)
    (session,) = (await world.sessions(signed_up)).items
    assert session.user_agent == kept
