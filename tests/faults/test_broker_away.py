"""The broker is away for a while during calls; services recover by themselves."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from shared.kit.wire.call import Call, Reply
from tests.faults.replicas import Load
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    make_topics,
    running_client,
    running_service,
    settings_for,
)

DEADLINE_S = 3.0


@pytest.fixture
def kafka(tmp_path: Path, jar_cache: JarCache) -> Iterator[EmbeddedKafka]:
    """Yield a broker of the test's own."""
    broker = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    try:
        broker.start(print)
        broker.wait_ready()
        yield broker
    finally:
        broker.stop()


async def fine(request: Any, call: Call) -> Reply:
    return Reply(200, call.call_id.encode())


async def stop(kafka: EmbeddedKafka, *, clean: bool) -> None:
    assert kafka.child is not None
    await asyncio.to_thread(kafka.stop if clean else kafka.child.kill)


async def restart(kafka: EmbeddedKafka) -> None:
    await asyncio.to_thread(kafka.start)
    await asyncio.to_thread(kafka.wait_ready)


@pytest.mark.parametrize("clean", [True, False])
async def test_calls_get_an_answer_or_an_error_and_recover(kafka: EmbeddedKafka, clean: bool) -> None:
    await make_request_topics(kafka.bootstrap, "auth")
    await make_topics(kafka.bootstrap, "auth.dead-letters", partitions=1)
    settings = settings_for(kafka.bootstrap, call_timeout_ms=int(DEADLINE_S * 1000))
    async with (
        running_client(settings) as client,
        running_service(settings, answering_all("auth", fine), "one"),
        running_service(settings, answering_all("auth", fine), "two"),
    ):
        load = Load(client, deadline_s=DEADLINE_S)
        load.start(32)
        await load.until_good(300, 60)
        await stop(kafka, clean=clean)
        # Longer than the timeout of calls and of the producer.
        await asyncio.sleep(DEADLINE_S + 3)
        good = load.outcomes["ok"]
        held = client._producer.held_bytes
        await restart(kafka)
        await load.until_good(300, 60)
        await load.stop()
        assert client.pending == 0
        assert held < 1_000_000
        assert good >= 300
        assert set(load.outcomes) <= {"ok", "mesh.busy", "mesh.timeout"}
        assert load.outcomes["mesh.busy"] + load.outcomes["mesh.timeout"] >= 32
        assert load.slowest_s < DEADLINE_S + 1


async def test_processes_stop_in_time_while_the_broker_is_away(kafka: EmbeddedKafka) -> None:
    await make_request_topics(kafka.bootstrap, "auth")
    settings = settings_for(kafka.bootstrap)
    async with running_client(settings) as client:
        async with running_service(settings, answering_all("auth", fine)):
            load = Load(client, deadline_s=DEADLINE_S)
            load.start(8)
            await load.until_good(50, 60)
            await stop(kafka, clean=False)
            await asyncio.sleep(0.5)
            begun = time.monotonic()
        assert time.monotonic() - begun < 9
        await load.stop()
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
