"""Signing up."""

import asyncio

import pytest

from shared.contracts.errors import EMAIL_TAKEN, VALIDATION_FAILED
from tests.unit.auth.world import PASSWORD, World, error_of


async def test_an_account_is_made_and_signed_in(world: World) -> None:
    signed_in = await world.sign_up(email=" Ada@Example.ORG ", name="  Ada  ")
    assert (signed_in.profile.name, signed_in.profile.email) == ("Ada", "ada@example.org")
    assert (signed_in.profile.image_url, signed_in.expires_in_s) == (None, 900)
    assert (await world.verify(signed_in.access_token)).profile == signed_in.profile
    assert await world.reader.profile(signed_in.profile.id) == signed_in.profile


async def test_others_learn_of_it(world: World) -> None:
    profile = (await world.sign_up()).profile
    (event,) = await world.events("profile.updated")
    assert (event.key, event.revision) == (profile.id, 1)
    assert event.data == {"id": str(profile.id), "name": "Ada", "imageUrl": None, "revision": 1}


@pytest.mark.parametrize(
    "other",
    ["ada@example.org", "ADA@EXAMPLE.ORG", "ada@example.org\n", " ada@example.org"],
)
async def test_an_e_mail_has_one_account(world: World, other: str) -> None:
    await world.sign_up()
    assert await error_of(world.sign_up(email=other, name="Eve")) is EMAIL_TAKEN
    assert len(await world.published()) == 1


async def test_one_spelling_for_composed_and_decomposed_letters(world: World) -> None:
    await world.sign_up(email="zo\u00eb@b\u00fccher.example")
    assert await error_of(world.sign_up(email="zoe\u0308@bu\u0308cher.example")) is EMAIL_TAKEN
    await world.sign_in(email="ZOE\u0308@B\u00dcCHER.example")


async def test_an_e_mail_that_grows_too_long_is_refused(world: World) -> None:
    assert await error_of(world.sign_up(email="a@" + "ß" * 200 + ".example")) is VALIDATION_FAILED


async def test_of_two_at_once_one_gets_the_e_mail(world: World) -> None:
    results = await asyncio.gather(*(world.sign_up(name=f"A{n}") for n in range(5)), return_exceptions=True)
    taken = [result for result in results if isinstance(result, Exception)]
    assert [getattr(error, "code", None) for error in taken] == [EMAIL_TAKEN] * 4


async def test_a_taken_e_mail_costs_as_much_as_a_new_one(world: World) -> None:
    await world.sign_up()
    assert (world.passwords.hashed, world.passwords.verified) == (1, [])
    await error_of(world.sign_up(password="other password"))
    assert (world.passwords.hashed, world.passwords.verified) == (2, [])


async def test_the_same_call_again_makes_nothing_twice(world: World) -> None:
    first = await world.sign_up(call_id="one")
    again = await world.sign_up(call_id="one")
    assert again.profile == first.profile
    assert world.session_id(again) == world.session_id(first)
    assert len(await world.published()) == 1
    await world.refresh(first.refresh_token)


async def test_the_same_call_id_is_no_key_to_somebody_elses_account(world: World) -> None:
    await world.sign_up(call_id="one")
    assert await error_of(world.sign_up(call_id="one", password="other password")) is EMAIL_TAKEN


async def test_calls_without_an_id_are_never_the_same(world: World) -> None:
    await world.sign_up(call_id="")
    assert await error_of(world.sign_up(call_id="", password=PASSWORD)) is EMAIL_TAKEN
