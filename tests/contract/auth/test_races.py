"""Races between two replicas, on a real database."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from apps.auth.usecases.sweep import sweep
from shared.contracts.errors import (
    CREDENTIALS_INVALID,
    EMAIL_TAKEN,
    RATE_LIMITED,
    TOKEN_INVALID,
    ServiceError,
)
from shared.kit.database.database import Database
from tests.unit.auth.world import World


@pytest.fixture
def world(postgres_world: World) -> World:
    """Run on Postgres only."""
    return postgres_world


async def outcomes(*work: Any) -> Counter[str]:
    """Count the successes and each error code; raise any other exception."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, ServiceError):
            raise result
    return Counter(result.code.name if isinstance(result, ServiceError) else "fine" for result in results)


async def test_one_of_many_gets_the_e_mail_and_no_half_account_stays(
    world: World, database: Database
) -> None:
    found = await outcomes(*(world.sign_up(name=f"A{number}") for number in range(8)))
    assert found == {"fine": 1, EMAIL_TAKEN.name: 7}
    assert len(await world.published()) == 1
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM sessions") == 1


async def test_the_same_sign_in_delivered_to_two_replicas_opens_one_session(world: World) -> None:
    me = await world.sign_up()
    assert await outcomes(*(world.sign_in(call_id="one") for _ in range(6))) == {"fine": 6}
    assert len((await world.sessions(me)).items) == 2


async def test_the_same_sign_up_delivered_to_two_replicas_makes_one_account(world: World) -> None:
    assert await outcomes(*(world.sign_up(call_id="one") for _ in range(6))) == {"fine": 6}
    me = await world.sign_in()
    assert len((await world.sessions(me)).items) == 2


async def test_one_token_used_many_times_at_once_stays_good(world: World) -> None:
    token = (await world.sign_up()).refresh_token
    assert await outcomes(*(world.refresh(token) for _ in range(8))) == {"fine": 8}
    await world.refresh(token)
    assert await world.revoked() == []


async def test_the_bound_on_successors_holds_when_many_are_asked_for_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.auth.usecases.token_issuing.SUCCESSORS_MAX", 3)
    token = (await world.sign_up()).refresh_token
    assert await outcomes(*(world.refresh(token) for _ in range(8))) == {"fine": 3, TOKEN_INVALID.name: 5}
    assert len(await world.revoked()) == 1


async def test_two_successors_used_at_once_are_a_theft(world: World) -> None:
    token = (await world.sign_up()).refresh_token
    one, two = await world.refresh(token), await world.refresh(token)
    found = await outcomes(world.refresh(one.refresh_token), world.refresh(two.refresh_token))
    assert found == {"fine": 1, TOKEN_INVALID.name: 1}
    assert len(await world.revoked()) == 1


async def test_the_bound_on_sessions_holds_when_many_begin_at_once(world: World) -> None:
    await world.sign_up()
    assert await outcomes(*(world.sign_in() for _ in range(9))) == {"fine": 9}
    me = await world.sign_in()
    assert len((await world.sessions(me)).items) == world.issuer.policy.sessions_max


async def test_a_password_changes_once(world: World) -> None:
    me = await world.sign_up()
    work = (world.change_password(me, f"new password {number}", key=str(number)) for number in range(4))
    assert await outcomes(*work) == {"fine": 1, CREDENTIALS_INVALID.name: 3}


async def test_revisions_are_in_the_order_of_the_outbox_whatever_happens_at_once(world: World) -> None:
    """A crowd of changes to one account: no deadlock, no revision twice, none out of order."""
    me = await world.sign_up()
    others = [await world.sign_in() for _ in range(3)]
    await outcomes(
        *(world.update(me.profile.id, name=f"Ada {number}") for number in range(6)),
        *(world.refresh(other.refresh_token) for other in others),
        *(world.revoke(me.profile.id, world.session_id(other)) for other in others),
        *(world.sign_in() for _ in range(4)),
        world.change_password(me, "another password"),
    )
    revisions = [event.revision for event in await world.published()]
    assert revisions == list(range(1, len(revisions) + 1))
    assert len(revisions) >= 10


async def test_two_services_that_start_at_once_on_an_empty_database_agree_on_a_key(
    world: World, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE signing_keys")
    replicas = [world.another_replica() for _ in range(4)]
    await asyncio.gather(*(world.rotate(replica) for replica in replicas))
    assert len({replica.published().keys[0].kid for replica in replicas}) == 1
    assert all(len(replica.published().keys) == 1 for replica in replicas)


async def test_guesses_at_many_accounts_at_once_are_counted_exactly_and_hold_nobody_up(
    world: World,
) -> None:
    """Rows of two keys each, taken and given back and swept away meanwhile: no deadlock, none too many."""
    await world.sign_up("ada@example.org", network="192.0.2.1")
    wrong = [
        world.sign_in(f"{name}@example.org", "wrong", network=f"203.0.113.{number % 2}")
        for number in range(15)
        for name in ("ada", "bob")
    ]
    right = [world.sign_in(network="192.0.2.1") for _ in range(8)]
    found = await outcomes(*wrong, *right, sweep(world.expired_rows, world.issuer.policy, world.clock))
    assert found == {"fine": 9, CREDENTIALS_INVALID.name: 30}
    assert await outcomes(*(world.sign_in(password="wrong", network="203.0.113.0") for _ in range(5))) == {
        CREDENTIALS_INVALID.name: 2,
        RATE_LIMITED.name: 3,
    }
