"""Offsets: never past an unfinished request, drained when a partition goes to another replica."""

import asyncio
from collections import Counter
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition

from shared.contracts.account import USER_SIGNOUT, SignOut
from shared.contracts.topics import CONSUMER_GROUPS
from shared.kit.kafka.consumer import COMMIT_INTERVAL_S
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    running_client,
    running_service,
    settings_for,
)
from tests.integration.kit.offsets import Offsets, committed, until_committed

GROUP = CONSUMER_GROUPS["auth"]
SLOW = UUID(int=1)


@pytest.fixture
async def bootstrap(kafka_bootstrap: str) -> str:
    await make_request_topics(kafka_bootstrap, "auth")
    return kafka_bootstrap


def signing_out(handler: object) -> HandlerRegistry:
    return answering_all("auth", handler)  # type: ignore[arg-type]


def of_topic(offsets: Offsets) -> Offsets:
    return {place: offset for place, offset in offsets.items() if place.topic == USER_SIGNOUT.name}


def request(profile_id: UUID) -> SignOut:
    return SignOut(profile_id=profile_id, session_id=uuid4())


async def test_a_commit_never_passes_an_unfinished_request(bootstrap: str) -> None:
    release = asyncio.Event()

    async def sign_out(asked: SignOut, call: Call) -> None:
        if asked.profile_id == SLOW:
            await release.wait()

    settings = settings_for(bootstrap)
    async with running_service(settings, signing_out(sign_out)), running_client(settings) as client:
        await asyncio.gather(*(client.call(USER_SIGNOUT, request(UUID(int=n + 2))) for n in range(40)))
        await until_committed(bootstrap, GROUP, [USER_SIGNOUT.name])
        before = of_topic(await committed(bootstrap, GROUP))
        held = asyncio.create_task(client.call(USER_SIGNOUT, request(SLOW)))
        await asyncio.sleep(0.2)
        await asyncio.gather(*(client.call(USER_SIGNOUT, request(UUID(int=n + 2))) for n in range(40)))
        await asyncio.sleep(3 * COMMIT_INTERVAL_S)
        after = of_topic(await committed(bootstrap, GROUP))
        place = TopicPartition(USER_SIGNOUT.name, _partition(client._producer, SLOW))
        assert after[place] == before[place]
        assert all(after[other] > before[other] for other in before if other != place)
        release.set()
        await held
        await until_committed(bootstrap, GROUP, [USER_SIGNOUT.name])


def _partition(producer: Producer, profile_id: UUID) -> int:
    return producer._partition_of(USER_SIGNOUT.name, str(profile_id).encode())


async def test_what_is_in_hand_is_done_and_committed_before_others_get_it(bootstrap: str) -> None:
    effects: Counter[str] = Counter()

    async def sign_out(asked: SignOut, call: Call) -> None:
        await asyncio.sleep(0.6)
        effects[call.call_id] += 1

    settings = settings_for(bootstrap)
    async with running_client(settings) as client, running_service(settings, signing_out(sign_out), "one"):
        calls = [asyncio.create_task(client.call(USER_SIGNOUT, request(uuid4()))) for _ in range(40)]
        await asyncio.sleep(0.3)
        async with running_service(settings, signing_out(sign_out), "two"):
            await asyncio.gather(*calls)
            more = [asyncio.create_task(client.call(USER_SIGNOUT, request(uuid4()))) for _ in range(40)]
            await asyncio.sleep(0.3)
        await asyncio.gather(*more)
    assert len(effects) == 80
    assert set(effects.values()) == {1}


async def test_what_takes_too_long_to_drain_is_done_again_by_the_next(bootstrap: str) -> None:
    seen: list[str] = []
    stuck = asyncio.Event()

    async def sign_out(asked: SignOut, call: Call) -> None:
        seen.append(call.call_id)
        if len(seen) == 1:
            await stuck.wait()

    settings = settings_for(bootstrap, drain_timeout_ms=200)
    async with running_client(settings) as client:
        async with running_service(settings, signing_out(sign_out), "one"):
            call = asyncio.create_task(client.call(USER_SIGNOUT, request(SLOW)))
            while not seen:
                await asyncio.sleep(0.05)
        assert not call.done()
        async with running_service(settings, signing_out(sign_out), "two"):
            await call
    assert len(seen) == 2
    assert len(set(seen)) == 1
    stuck.set()
