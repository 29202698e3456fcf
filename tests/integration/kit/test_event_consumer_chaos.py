"""Event consumers that are killed, and a broker that is killed: every event is handled, in order."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from shared.contracts.event import Event
from shared.contracts.topics import CONSUMER_GROUPS, RETRY_DELAYS_S, retry_topic
from tests.integration.kit.inbox_place import PARTITIONS, Place, event
from tests.integration.kit.mesh import make_topics
from tests.support.polling import until

KEYS = 20


def check_order(seen: list[int]) -> None:
    for key in range(KEYS):
        firsts = list(dict.fromkeys(number for number in seen if number % KEYS == key))
        assert firsts == sorted(firsts)


@asynccontextmanager
async def process(place: Place, name: str) -> AsyncIterator[Process]:
    command = ("-m", "tests.integration.kit.inbox_process", place.service, place.bootstrap, name)
    started = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, start_new_session=True
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def take(started: Process, seen: list[int], count: int) -> None:
    """Wait until this number of different events was handled in all."""
    assert started.stdout is not None
    async with asyncio.timeout(60):
        while len(set(seen)) < count:
            line = await started.stdout.readline()
            assert line, "the process ended"
            seen.append(int(line))


async def test_what_a_killed_process_left_is_taken_in_by_another(place: Place) -> None:
    await place.send(*((f"key-{number % KEYS}", event(number)) for number in range(600)))
    seen: list[int] = []
    async with process(place, "one") as one:
        await take(one, seen, 150)
        one.kill()
    assert len(set(seen)) < 600
    async with process(place, "two") as two:
        await take(two, seen, 600)
        two.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(two.wait(), 10) == 0
    assert set(seen) == set(range(600))
    check_order(seen)
    assert await place.committed() == 600


async def test_a_broker_that_is_killed_and_restarted(
    tmp_path: Path, jar_cache: JarCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    monkeypatch.setitem(CONSUMER_GROUPS, "chaos", "chaos-group")
    place, seen = Place(kafka.bootstrap, "chaos"), list[int]()

    async def handler(event: Event) -> None:
        await asyncio.sleep(0.02)
        seen.append(event.revision)

    try:
        await asyncio.to_thread(kafka.start)
        await asyncio.to_thread(kafka.wait_ready)
        retries = [retry_topic("chaos", delay_s) for delay_s in RETRY_DELAYS_S]
        await make_topics(kafka.bootstrap, place.topic, place.dead, *retries, partitions=PARTITIONS)
        await place.send(*((f"key-{number % KEYS}", event(number)) for number in range(600)))
        async with place.inbox(handler):
            await until(lambda: len(seen) > 100)
            assert kafka.child is not None and kafka.child.pid is not None
            os.kill(kafka.child.pid, signal.SIGKILL)
            await asyncio.sleep(2)
            await asyncio.to_thread(kafka.stop)
            await asyncio.to_thread(kafka.start)
            await asyncio.to_thread(kafka.wait_ready)
            await place.send(*((f"key-{number % KEYS}", event(number)) for number in range(600, 700)))
            await until(lambda: set(seen) == set(range(700)), 60)
        check_order(seen)
        assert await place.committed() == 700
    finally:
        await asyncio.to_thread(kafka.stop)
