"""Reading and changing profiles."""

from uuid import uuid4

import msgspec

from apps.auth.usecases.get_profile import get_profile
from apps.auth.usecases.get_profiles import get_profiles
from shared.contracts.account import GetProfile, GetProfiles, PublicProfile
from shared.contracts.errors import PROFILE_NOT_FOUND, TOKEN_EXPIRED, TOKEN_INVALID, VALIDATION_FAILED
from tests.unit.auth.world import World, error_of

IMAGE = "https://example.org/ada.png"


async def test_who_am_i(world: World) -> None:
    me = await world.sign_up()
    assert await get_profile(GetProfile(profile_id=me.profile.id), world.reader) == me.profile
    assert await error_of(get_profile(GetProfile(profile_id=uuid4()), world.reader)) is PROFILE_NOT_FOUND


async def test_what_is_named_changes_and_is_told(world: World) -> None:
    me = (await world.sign_up()).profile
    world.clock.move(seconds=1)
    named = await world.update(me.id, name=" Countess ")
    assert (named.name, named.image_url, named.created_at) == ("Countess", None, me.created_at)
    assert named.updated_at == world.clock.now() > me.updated_at
    pictured = await world.update(me.id, image_url=IMAGE)
    assert (pictured.name, pictured.image_url) == ("Countess", IMAGE)
    bare = await world.update(me.id, image_url=None)
    assert bare.image_url is None
    told = await world.events("profile.updated")
    assert [event.revision for event in told] == [1, 2, 3, 4]
    assert [event.data["imageUrl"] for event in told] == [None, None, IMAGE, None]
    assert {event.key for event in told} == {me.id}


async def test_what_changes_nothing_tells_nothing(world: World) -> None:
    me = (await world.sign_up()).profile
    world.clock.move(seconds=1)
    assert await world.update(me.id) == me
    assert await world.update(me.id, name="Ada ", image_url=None) == me
    assert len(await world.published()) == 1


async def test_a_profile_that_is_not_there_is_not_changed(world: World) -> None:
    assert await error_of(world.update(uuid4(), name="Eve")) is PROFILE_NOT_FOUND


async def test_public_profiles_are_those_that_exist_each_once(world: World) -> None:
    ada = (await world.sign_up()).profile
    eve = (await world.sign_up(email="eve@example.org", name="Eve")).profile
    await world.update(eve.id, image_url=IMAGE)
    request = GetProfiles(reader_id=ada.id, ids=[eve.id, uuid4(), ada.id, eve.id])
    async with world.units.snapshot() as unit:
        found = await get_profiles(request, unit)
    assert found.items == [
        PublicProfile(id=ada.id, name="Ada", image_url=None, revision=1),
        PublicProfile(id=eve.id, name="Eve", image_url=IMAGE, revision=2),
    ]
    assert b"example.org/ada.png" in msgspec.json.encode(found) and b"@" not in msgspec.json.encode(found)


async def test_a_hundred_profiles_are_the_most(world: World) -> None:
    ids = [uuid4() for _ in range(101)]
    async with world.units.snapshot() as unit:
        assert (await get_profiles(GetProfiles(reader_id=ids[0], ids=ids[1:]), unit)).items == []
        assert (await get_profiles(GetProfiles(reader_id=ids[0], ids=[]), unit)).items == []
        assert await error_of(get_profiles(GetProfiles(reader_id=ids[0], ids=ids), unit)) is VALIDATION_FAILED


async def test_a_token_that_holds_tells_whose_it_is(world: World) -> None:
    me = await world.sign_up()
    verified = await world.verify(me.access_token)
    assert verified.profile == me.profile
    assert (verified.claims.sub, verified.claims.iss) == (me.profile.id, "concord")
    assert await error_of(world.verify(me.access_token[:-4])) is TOKEN_INVALID
    world.clock.move(seconds=900)
    assert await error_of(world.verify(me.access_token)) is TOKEN_EXPIRED
