"""Key rotation, with a clock that is set by hand and two replicas that work at once."""

import asyncio
from datetime import timedelta

import jwt
import pytest

from apps.auth.domain.keys import KeyRing
from apps.auth.outbound.access_tokens import JwtAccessTokens
from apps.auth.outbound.key_generator import Ed25519KeyGenerator, thumbprint
from shared.contracts.errors import TOKEN_EXPIRED, TOKEN_INVALID
from shared.kit.clock import SystemIds
from shared.kit.security.access_tokens import TokenVerifier, public_keys
from tests.unit.auth.world import START, World, error_of

HOUR = timedelta(hours=1)
IDS = SystemIds()


def issue(access: JwtAccessTokens) -> str:
    return access.issue(IDS.new(), IDS.new())


def kids(access: JwtAccessTokens) -> list[str]:
    return [key.kid for key in access.published().keys]


def gateway(world: World, access: JwtAccessTokens) -> TokenVerifier:
    """A gateway that knows the keys as they are published now, and never looks again."""
    return TokenVerifier(public_keys(access.published()), "concord", "concord", world.clock)


async def stored_kids(world: World) -> list[str]:
    return [key.kid for key in await world.signing_keys.all()]


async def test_the_first_key_signs_at_once(world: World) -> None:
    (kid,) = kids(world.access)
    assert gateway(world, world.access).verify(issue(world.access)).iss == "concord"
    await world.rotate()
    assert kids(world.access) == [kid]


async def test_a_new_key_is_published_before_it_signs(world: World) -> None:
    (old,) = kids(world.access)
    world.clock.move(days=30, hours=-1, seconds=-1)
    await world.rotate()
    assert kids(world.access) == [old]
    world.clock.move(seconds=1)
    await world.rotate()
    new = kids(world.access)[0]
    assert kids(world.access) == [new, old]
    early = gateway(world, world.access)
    before = issue(world.access)
    world.clock.move(minutes=59, seconds=59)
    still_old = issue(world.access)
    world.clock.move(seconds=1)
    after = issue(world.access)
    for token in (still_old, after):
        early.verify(token)
        world.access.verify(token)
    assert await refusal_of(early, before) is TOKEN_EXPIRED
    assert [kid_of(token) for token in (before, still_old, after)] == [old, old, new]


async def test_the_old_key_stays_until_its_last_token_has_run_out_and_is_then_removed(world: World) -> None:
    (old,) = kids(world.access)
    world.clock.move(days=30, hours=-1)
    await world.rotate()
    new = kids(world.access)[0]
    used_from = START + timedelta(days=30)
    world.clock.time = used_from - timedelta(seconds=1)
    last = issue(world.access)
    world.clock.move(seconds=899)
    gateway(world, world.access).verify(last)
    world.clock.time = used_from + HOUR - timedelta(seconds=1)
    assert old in kids(world.access)
    world.clock.move(seconds=1)
    assert kids(world.access) == [new]
    assert await stored_kids(world) == [old, new]
    await world.rotate()
    assert await stored_kids(world) == [new]
    assert await refusal_of(world.access, last) is TOKEN_INVALID


async def test_two_replicas_at_once_make_one_key(world: World) -> None:
    other = world.another_replica()
    await world.rotate(other)
    assert kids(other) == kids(world.access)
    world.clock.move(days=30)
    await asyncio.gather(world.rotate(), world.rotate(other), world.rotate(), world.rotate(other))
    assert len(await stored_kids(world)) == 2
    assert kids(other) == kids(world.access)


async def test_a_replica_that_missed_the_rotation_believes_the_others_tokens_before_it_matters(
    world: World,
) -> None:
    other = world.another_replica()
    await world.rotate(other)
    world.clock.move(days=30, hours=-1)
    await world.rotate()
    world.clock.move(minutes=59)
    other.verify(issue(world.access))
    await world.rotate(other)
    world.clock.move(minutes=1)
    other.verify(issue(world.access))
    assert kid_of(issue(other)) == kid_of(issue(world.access))


async def test_after_a_long_rest_the_new_key_is_published_first_all_the_same(world: World) -> None:
    (old,) = kids(world.access)
    world.clock.move(days=300)
    await world.rotate()
    assert kid_of(issue(world.access)) == old
    world.clock.move(hours=1)
    assert kid_of(issue(world.access)) != old
    await world.rotate()
    assert len(await stored_kids(world)) == 2


async def test_seventy_days_of_rotation_refuse_no_token(world: World) -> None:
    """Every ten hours on two replicas; each token is believed by a gateway that looked an hour before."""
    replicas = (world.access, world.another_replica())
    await world.rotate(replicas[1])
    for step in range(70 * 24 // 10):
        gateways = [gateway(world, replica) for replica in replicas]
        world.clock.move(minutes=59)
        tokens = [issue(replica) for replica in replicas]
        for verifier in gateways:
            for token in tokens:
                verifier.verify(token)
        world.clock.move(hours=9, minutes=1)
        await world.rotate(replicas[step % 2])
    assert len(await stored_kids(world)) <= 3


def test_signing_without_a_key_is_a_fault() -> None:
    with pytest.raises(LookupError):
        KeyRing(()).current(START)


def test_a_clock_that_goes_back_finds_a_key() -> None:
    key = Ed25519KeyGenerator().new(1, START, START)
    assert KeyRing([key]).current(START - HOUR) is key


def test_the_private_half_is_not_shown() -> None:
    key = Ed25519KeyGenerator().new(1, START, START)
    assert str(key.private) not in repr(key)


def test_the_name_of_a_key_is_its_thumbprint() -> None:
    """The example of RFC 8037, appendix A.3."""
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert thumbprint(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def refusal_of(verifier: TokenVerifier | JwtAccessTokens, token: str) -> object:
    async def verify() -> object:
        return verifier.verify(token)

    return await error_of(verify())


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
