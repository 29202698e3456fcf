"""The keys that secrets are sealed to: known everywhere before they are used, kept as long as they may be."""

import asyncio
from datetime import timedelta

import pytest

from apps.auth.outbound.sealing import SealingKeys
from apps.auth.usecases.get_keys import get_keys
from shared.contracts.account import SEALING, USER_VERIFY_TOKEN, GetKeys, Jwk
from shared.contracts.errors import SEAL_KEY_GONE, ServiceError
from shared.kit.security.field_encryption import FieldEncryption, seal_request
from shared.kit.security.hpke import public_key
from shared.kit.wire.call import Call, request_headers
from tests.unit.auth.world import World
from tests.unit.kit.rpc.calls import call_of

CALL: Call = call_of(USER_VERIFY_TOKEN)
BODY = b'{"token":"a.b.c"}'


def first(world: World) -> Jwk:
    return world.sealing.published().keys[0]


def sealed_to(key: Jwk) -> bytes:
    return seal_request(CALL, BODY, key.kid, public_key(key.x))


def opened(seals: FieldEncryption, body: bytes) -> bytes:
    return seals.open_request(CALL, request_headers(CALL, b""), body)[1]


async def stored(world: World) -> list[str]:
    return [key.kid for key in await world.sealing_keys.all()]


async def test_they_are_published_apart_from_those_that_sign(world: World) -> None:
    sealing = await get_keys(GetKeys(audience=SEALING), world.access, world.sealing)
    signing = await get_keys(GetKeys(), world.access, world.sealing)
    assert {(key.crv, key.use) for key in sealing.keys} == {("X25519", "enc")}
    assert {(key.crv, key.use) for key in signing.keys} == {("Ed25519", "sig")}
    assert {key.kid for key in sealing.keys}.isdisjoint(key.kid for key in signing.keys)


async def test_a_new_key_is_known_to_all_replicas_before_anybody_is_told_to_use_it(world: World) -> None:
    other_seals = FieldEncryption()
    other = SealingKeys(other_seals, world.sealing_policy, world.clock)
    await world.rotate_sealing(other)
    old = first(world)
    world.clock.move(hours=23)
    await world.rotate_sealing()
    assert first(world) == old
    assert len(world.sealing.published().keys) == 2
    world.clock.move(minutes=1)
    await world.rotate_sealing(other)
    world.clock.move(minutes=59)
    assert first(world) != old
    for seals in (world.encryption, other_seals):
        assert opened(seals, sealed_to(first(world))) == BODY
        assert opened(seals, sealed_to(old)) == BODY


async def test_what_was_sealed_to_a_key_is_lost_when_the_key_is_removed(world: World) -> None:
    old = first(world)
    body = sealed_to(old)
    world.clock.move(hours=23)
    await world.rotate_sealing()
    world.clock.move(hours=3, seconds=-1)
    await world.rotate_sealing()
    assert opened(world.encryption, body) == BODY
    world.clock.move(seconds=1)
    await world.rotate_sealing()
    assert await stored(world) == [first(world).kid]
    with pytest.raises(ServiceError) as raised:
        opened(world.encryption, body)
    assert raised.value.code is SEAL_KEY_GONE


async def test_two_replicas_at_once_make_one_key(world: World) -> None:
    other = SealingKeys(FieldEncryption(), world.sealing_policy, world.clock)
    world.clock.move(days=1)
    await asyncio.gather(*(world.rotate_sealing(one) for one in (world.sealing, other) * 3))
    assert len(await stored(world)) == 2
    assert other.published() == world.sealing.published()


async def test_thirty_days_of_rotation_lose_nothing(world: World) -> None:
    """A caller asks for the key every five minutes; what it seals may be delivered two hours later."""
    for _ in range(30 * 4):
        early = sealed_to(first(world))
        world.clock.move(minutes=5)
        late = sealed_to(first(world))
        world.clock.move(minutes=115)
        await world.rotate_sealing()
        assert opened(world.encryption, late) == BODY
        assert opened(world.encryption, early) == BODY
        world.clock.move(hours=4)
        await world.rotate_sealing()
    assert len(await stored(world)) <= 3
    assert world.sealing_policy.overlap == timedelta(hours=2)
