"""Replicas die and are replaced during calls; every call gets an answer."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.kit.kafka.consumer import COMMIT_INTERVAL_S
from tests.faults.replicas import Load, Replica
from tests.integration.kit.mesh import make_request_topics, make_topics, running_client, settings_for

Start = Callable[..., Replica]


@pytest.fixture
async def bootstrap(kafka_bootstrap: str) -> str:
    await make_request_topics(kafka_bootstrap, "auth")
    await make_topics(kafka_bootstrap, "auth.dead-letters", partitions=1)
    return kafka_bootstrap


@pytest.fixture
async def start(bootstrap: str, tmp_path: Path) -> AsyncIterator[Start]:
    started: list[Replica] = []

    def make(seconds: float = 0.02) -> Replica:
        started.append(Replica(tmp_path, bootstrap, seconds))
        return started[-1]

    yield make
    for replica in started:
        replica.kill()


def effects(replica: Replica) -> Counter[str]:
    return Counter(replica.effects.read_text().split())


async def test_calls_of_a_killed_replica_are_answered_by_the_other(bootstrap: str, start: Start) -> None:
    """SIGKILL during calls: the group notices after the session timeout of 6 s, and nothing is lost."""
    one, two = start(0.1), start(0.1)
    await asyncio.gather(one.until_ready(), two.until_ready())
    async with running_client(settings_for(bootstrap)) as client:
        load = Load(client, deadline_s=20)
        load.start(64)
        await load.until_good(500, 60)
        one.kill()
        killed_at = time.monotonic()
        await load.until_good(1, 15)
        await asyncio.sleep(max(0.0, killed_at + 12 - time.monotonic()))
        await load.until_good(500, 60)
        await load.stop()
        assert client.pending == 0
    assert set(load.outcomes) == {"ok"}
    assert load.slowest_s < 15
    done = effects(two)
    assert load.answered <= set(done)
    again = [count for count in done.values() if count > 1]
    assert max(again, default=1) <= 2
    # Pending calls, and those since the last commit, at 64 calls in 0.1 s.
    assert len(again) <= 64 + 64 * 10 * 2 * COMMIT_INTERVAL_S


async def test_calls_end_at_their_deadline_when_all_replicas_are_dead(bootstrap: str, start: Start) -> None:
    only = start(0.05)
    await only.until_ready()
    async with running_client(settings_for(bootstrap)) as client:
        load = Load(client, deadline_s=2)
        load.start(32)
        await load.until_good(200, 60)
        only.kill()
        await load.until("mesh.timeout", 32, 30)
        again = start(0.0)
        await again.until_ready()
        await load.until_good(500, 60)
        await load.stop()
        assert client.pending == 0
    assert set(load.outcomes) == {"ok", "mesh.timeout"}
    assert load.slowest_s < 2.5


async def test_a_rolling_restart_loses_no_reply_and_repeats_no_call(bootstrap: str, start: Start) -> None:
    running = [start(), start()]
    await asyncio.gather(*(replica.until_ready() for replica in running))
    settings = settings_for(bootstrap)
    async with running_client(settings) as here, running_client(settings) as there:
        loads = [Load(here, deadline_s=20), Load(there, deadline_s=20)]
        for load in loads:
            load.start(24)
        for _ in range(2):
            await loads[0].until_good(200, 60)
            leaving = running.pop(0)
            assert await leaving.leave() == 0
            await loads[1].until_good(200, 60)
            running.append(start())
            await running[-1].until_ready()
        for load in loads:
            await load.until_good(300, 60)
            await load.stop()
    done = effects(running[0])
    for load in loads:
        assert set(load.outcomes) == {"ok"}
        assert load.slowest_s < 20
        assert load.answered <= set(done)
    assert {call_id: count for call_id, count in done.items() if count > 1} == {}
