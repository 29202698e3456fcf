"""Tailing of a topic on the real broker: start, end, errors."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from shared.kit.clock import now_ms
from shared.kit.events.tail import TopicTailer
from shared.kit.security.record_signatures import RecordSigner
from tests.integration.kit.mesh import make_topics
from tests.integration.kit.raw import RawName, raw_batch, write_raw
from tests.unit.kit.rpc.calls import SIGNATURES

HOUR_MS = 3_600_000


class Tailed:
    """The values, errors and the first catch-up of a tailer."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.caught_up = asyncio.Event()
        self.at_first: list[bytes] = []
        self.errors: list[str] = []

    def on_value(self, value: bytes) -> None:
        if value == b"garbage":
            raise ValueError("no event")
        self.values.append(value)

    def on_caught_up(self) -> None:
        self.at_first = list(self.values)
        self.caught_up.set()

    async def until(self, values: list[bytes]) -> None:
        async with asyncio.timeout(10):
            while self.values != values:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def following(bootstrap: str, topic: str, since: Callable[[], datetime]) -> AsyncIterator[Tailed]:
    tailed = Tailed()
    tail = TopicTailer(
        {"bootstrap_servers": bootstrap},
        topic,
        SIGNATURES,
        since,
        tailed.on_value,
        tailed.on_caught_up,
        tailed.errors.append,
    )
    task = asyncio.create_task(tail.follow())
    try:
        yield tailed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def write(bootstrap: str, topic: str, *records: tuple[int, bytes | None, int]) -> None:
    """Write records of (partition, value, age in ms)."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for partition, value, age_ms in records:
            signature = SIGNATURES.signature(topic, b"k", value or b"", [])
            await producer.send_and_wait(
                topic,
                value,
                key=b"k",
                partition=partition,
                timestamp_ms=now_ms() - age_ms,
                headers=[signature],
            )
    finally:
        await producer.stop()


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    name = f"tail-{secrets.token_hex(4)}"
    await make_topics(kafka_bootstrap, name, partitions=3)
    return name


async def test_reads_from_a_point_in_time_to_the_end_before_it_has_caught_up(
    kafka_bootstrap: str, topic: str
) -> None:
    old = [(partition, b"old", 2 * HOUR_MS) for partition in range(3)]
    new = [(0, b"a", HOUR_MS // 2), (0, b"b", 0), (1, b"c", 0)]
    await write(kafka_bootstrap, topic, *old, *new)
    async with following(kafka_bootstrap, topic, an_hour_ago) as tailed:
        await asyncio.wait_for(tailed.caught_up.wait(), 10)
        assert sorted(tailed.at_first) == [b"a", b"b", b"c"]
        assert tailed.errors == []


async def test_follows_new_records(kafka_bootstrap: str, topic: str) -> None:
    async with following(kafka_bootstrap, topic, an_hour_ago) as tailed:
        await asyncio.wait_for(tailed.caught_up.wait(), 10)
        started = asyncio.get_running_loop().time()
        await write(kafka_bootstrap, topic, (2, b"now", 0))
        await tailed.until([b"now"])
        assert asyncio.get_running_loop().time() - started < 2


async def test_garbage_is_skipped_and_logged(
    kafka_bootstrap: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await write(kafka_bootstrap, topic, (0, b"garbage", 0), (0, None, 0), (0, b"good", 0))
    await write_raw(kafka_bootstrap, topic, 0, raw_batch([(RawName(b"\xff\xfe"), b"1")]), 1)
    async with following(kafka_bootstrap, topic, an_hour_ago) as tailed:
        await tailed.until([b"good"])
        await write(kafka_bootstrap, topic, (0, b"later", 0))
        await tailed.until([b"good", b"later"])
        await asyncio.wait_for(tailed.caught_up.wait(), 10)
        assert "could not be read: ValueError" in caplog.text


async def test_a_record_without_our_signature_is_skipped(
    kafka_bootstrap: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = RecordSigner("somebody else's secret, as long as ours")
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        for headers in (
            [],
            [stranger.signature(topic, b"k", b"forged", [])],
            [SIGNATURES.signature("elsewhere", b"k", b"forged", [])],
            [SIGNATURES.signature(topic, b"another key", b"forged", [])],
        ):
            await producer.send_and_wait(topic, b"forged", key=b"k", partition=0, headers=headers)
    await write(kafka_bootstrap, topic, (0, b"good", 0))
    async with following(kafka_bootstrap, topic, an_hour_ago) as tailed:
        await tailed.until([b"good"])
    assert caplog.text.count("was refused") == 4


async def test_waits_for_a_topic_that_does_not_exist_yet(kafka_bootstrap: str) -> None:
    name = f"tail-{secrets.token_hex(4)}"
    async with following(kafka_bootstrap, name, an_hour_ago) as tailed:
        while not tailed.errors:
            await asyncio.sleep(0.05)
        assert not tailed.caught_up.is_set()
        await make_topics(kafka_bootstrap, name)
        await write(kafka_bootstrap, name, (0, b"first", 0))
        await tailed.until([b"first"])
        await asyncio.wait_for(tailed.caught_up.wait(), 10)


async def test_survives_a_restart_of_the_broker(tmp_path: Any, jar_cache: JarCache) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    kafka.start(print)
    kafka.wait_ready()
    try:
        await make_topics(kafka.bootstrap, "t", partitions=1)
        async with following(kafka.bootstrap, "t", an_hour_ago) as tailed:
            await write(kafka.bootstrap, "t", (0, b"before", 0))
            await tailed.until([b"before"])
            await asyncio.to_thread(kafka.stop)
            await asyncio.sleep(1)
            kafka.start(print)
            await asyncio.to_thread(kafka.wait_ready)
            await write(kafka.bootstrap, "t", (0, b"after", 0))
            async with asyncio.timeout(30):
                while tailed.values[-1] != b"after":
                    await asyncio.sleep(0.05)
    finally:
        kafka.stop()
