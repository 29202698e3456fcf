"""Refresh tokens: the cases worth a name; test_refresh_rule.py tries the rest."""

import base64

import pytest

from apps.auth.domain import session as rules
from shared.contracts.errors import CREDENTIALS_INVALID, TOKEN_EXPIRED, TOKEN_INVALID, ServiceError
from tests.unit.auth.world import World, error_of


async def test_a_successor_works_and_belongs_to_the_same_session(world: World) -> None:
    signed_up = await world.sign_up()
    tokens = await world.refresh(signed_up.refresh_token)
    assert world.session_id(tokens) == world.session_id(signed_up)
    assert tokens.refresh_token != signed_up.refresh_token
    assert (await world.verify(tokens.access_token)).profile == signed_up.profile
    await world.refresh(tokens.refresh_token)


async def test_a_lost_answer_logs_nobody_out(world: World) -> None:
    first = (await world.sign_up()).refresh_token
    lost = await world.refresh(first)
    found = await world.refresh(first)
    last = await world.refresh(found.refresh_token)
    assert lost.refresh_token != found.refresh_token
    await world.refresh(last.refresh_token)
    assert await world.revoked() == []


@pytest.mark.parametrize("which", ["the old one", "the other successor"])
async def test_a_dead_one_that_comes_back_ends_the_session(world: World, which: str) -> None:
    signed_up = await world.sign_up()
    other = await world.refresh(signed_up.refresh_token)
    used = await world.refresh(signed_up.refresh_token)
    living = await world.refresh(used.refresh_token)
    dead = signed_up.refresh_token if which == "the old one" else other.refresh_token
    assert await error_of(world.refresh(dead)) is TOKEN_INVALID
    assert await world.revoked() == [world.session_id(signed_up)]
    assert await error_of(world.refresh(living.refresh_token)) is TOKEN_INVALID
    assert await error_of(world.verify(living.access_token)) is TOKEN_INVALID
    assert await error_of(world.refresh(dead)) is TOKEN_INVALID
    assert len(await world.revoked()) == 1


async def test_a_call_delivered_again_is_no_theft(world: World) -> None:
    first = (await world.sign_up()).refresh_token
    answer = await world.refresh(first, call_id="one")
    living = await world.refresh(answer.refresh_token)
    assert await error_of(world.refresh(first, call_id="one")) is TOKEN_INVALID
    await world.refresh(living.refresh_token)
    assert await world.revoked() == []


async def test_a_call_without_an_id_is_never_taken_for_an_earlier_one(world: World) -> None:
    first = (await world.sign_up(call_id="")).refresh_token
    answer = await world.refresh(first, call_id="")
    await world.refresh(answer.refresh_token, call_id="")
    await error_of(world.refresh(first, call_id=""))
    assert len(await world.revoked()) == 1


async def test_it_expires_thirty_days_after_it_was_given(world: World) -> None:
    first = (await world.sign_up()).refresh_token
    world.clock.move(days=29)
    second = (await world.refresh(first)).refresh_token
    world.clock.move(days=1)
    assert await error_of(world.refresh(first)) is TOKEN_EXPIRED
    world.clock.move(days=29, seconds=-1)
    third = (await world.refresh(second)).refresh_token
    world.clock.move(days=30)
    assert await error_of(world.refresh(third)) is TOKEN_EXPIRED
    assert await world.revoked() == []


async def test_what_was_never_given_is_invalid_and_harms_nobody(world: World) -> None:
    token = (await world.sign_up()).refresh_token
    session, secret = token.split(".")
    other = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
    for garbage in (
        "x",
        session,
        f"{session}.",
        f"{session}.{other}",
        f"{'0' * 32}.{secret}",
        f"{session.upper()}.{secret}" if session.upper() != session else "y",
        f"{token}=",
        f"{token}\n",
        f" {token}",
        "é" * 32 + "." + secret,
        "٣" * 32 + "." + secret,
    ):
        assert await error_of(world.refresh(garbage)) is TOKEN_INVALID, garbage
    assert await world.revoked() == []
    await world.refresh(token)


async def test_only_digests_are_stored(world: World) -> None:
    signed_up = await world.sign_up()
    session_id = world.session_id(signed_up)
    text = signed_up.refresh_token
    assert text.startswith(f"{session_id.hex}.") and len(text) == 32 + 1 + 43
    async with world.units.snapshot() as unit:
        stored = await unit.refresh_tokens.by_digest(session_id, rules.digest_of(text))
    assert stored is not None and len(stored.digest) == 32
    assert text.partition(".")[2] not in repr(stored) and "digest" not in repr(stored)


@pytest.mark.parametrize("uses", [20, 99])
async def test_a_thief_cannot_have_the_successor_of_its_owner_forgotten(world: World, uses: int) -> None:
    stolen = (await world.sign_up()).refresh_token
    mine = await world.refresh(stolen)
    for _ in range(uses):
        world.clock.move(seconds=1)
        his = await world.refresh(stolen)
    his = await world.refresh(his.refresh_token)
    assert await world.revoked() == []
    assert await error_of(world.refresh(mine.refresh_token)) is TOKEN_INVALID
    assert await world.revoked() == [world.session_id(mine)]
    assert await error_of(world.refresh(his.refresh_token)) is TOKEN_INVALID
    assert await error_of(world.verify(his.access_token)) is TOKEN_INVALID


async def test_no_successor_is_forgotten_while_the_session_lasts(world: World) -> None:
    first = (await world.sign_up()).refresh_token
    oldest = await world.refresh(first)
    for _ in range(99):
        world.clock.move(seconds=1)
        await world.refresh(first)
    await world.refresh(oldest.refresh_token)
    assert await world.revoked() == []


async def test_one_successor_too_many_ends_the_session(world: World) -> None:
    assert rules.SUCCESSORS_MAX == 100
    signed_up = await world.sign_up()
    first = signed_up.refresh_token
    given = [await world.refresh(first) for _ in range(rules.SUCCESSORS_MAX)]
    assert await world.revoked() == []
    with pytest.raises(ServiceError, match="Sign in again") as caught:
        await world.refresh(first)
    assert caught.value.code is TOKEN_INVALID
    assert await world.revoked() == [world.session_id(signed_up)]
    for tokens in (given[0], given[-1]):
        assert await error_of(world.refresh(tokens.refresh_token)) is TOKEN_INVALID
        assert await error_of(world.verify(tokens.access_token)) is TOKEN_INVALID
    assert await error_of(world.refresh(first)) is TOKEN_INVALID
    assert len(await world.revoked()) == 1
    await world.refresh((await world.sign_in()).refresh_token)


@pytest.mark.parametrize("how", ["sign up", "sign in"])
async def test_a_sign_in_delivered_too_often_ends_its_session(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("apps.auth.usecases.token_issuing.SUCCESSORS_MAX", 3)
    enter = world.sign_up if how == "sign up" else world.sign_in
    if how == "sign in":
        await world.sign_up()
    given = [await enter(call_id="one") for _ in range(3)]
    assert await error_of(enter(call_id="one")) is CREDENTIALS_INVALID
    assert await world.revoked() == [world.session_id(given[0])]
    assert await error_of(world.refresh(given[0].refresh_token)) is TOKEN_INVALID
    await world.refresh((await world.sign_in()).refresh_token)


async def test_the_trail_of_dead_tokens_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.auth.usecases.token_issuing.TRAIL_MAX", 3)
    given = [(await world.sign_up()).refresh_token]
    for _ in range(6):
        given.append((await world.refresh(given[-1])).refresh_token)
    assert await error_of(world.refresh(given[0])) is TOKEN_INVALID
    assert await world.revoked() == []
    await world.refresh(given[-1])
    assert await error_of(world.refresh(given[-3])) is TOKEN_INVALID
    assert len(await world.revoked()) == 1


async def test_a_new_user_agent_is_noted(world: World) -> None:
    signed_up = await world.sign_up(user_agent="old")
    tokens = await world.refresh(signed_up.refresh_token, user_agent="new\0")
    await world.refresh(tokens.refresh_token, user_agent=None)
    (session,) = (await world.sessions(signed_up)).items
    assert session.user_agent == "new"
