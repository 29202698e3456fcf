"""The relay on a real broker: all that is committed arrives, in order; nothing blocks it for good."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import REGISTRY

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from shared.contracts.event import Event
from shared.contracts.topics import dead_letter_topic
from shared.kit.clock import SystemClock, now_s
from shared.kit.database.database import Database
from shared.kit.outbox import relay as relay_module
from shared.kit.outbox.outbox import SHARDS, Outbox
from shared.kit.outbox.publisher import OutboxPublisher
from shared.kit.outbox.records import LeaseLost, OutboxRecord
from shared.kit.outbox.relay import Relay
from shared.kit.security.record_signatures import FORGED, MISPLACED
from tests.integration.kit.facts import (
    clock,
    event_type,
    fact,
    ids,
    left,
    publish,
    read_all,
    revisions_by_key,
    until_empty,
)
from tests.integration.kit.mesh import make_topics
from tests.unit.kit.rpc.calls import SIGNATURES


class Place:
    """A service of its own, with a topic of its own, so that tests do not meet."""

    def __init__(self, bootstrap: str, database: Database) -> None:
        self.bootstrap = bootstrap
        self.database = database
        self.service = f"relay-{secrets.token_hex(3)}"
        self.topic = f"{self.service}.facts"
        self.copy = f"{self.service}.copy"
        self.dead = dead_letter_topic(self.service)
        self.kind = event_type(self.service, self.topic, self.copy)
        self.options = {"bootstrap_servers": bootstrap}
        self.reports: list[str | None] = []

    async def make_topics(self) -> None:
        await make_topics(self.bootstrap, self.topic, self.copy, self.dead)

    @asynccontextmanager
    async def relay(self, name: str = "one", **changes: Any) -> AsyncIterator[Relay]:
        relay = Relay(
            self.service,
            self.database,
            self.options,
            name,
            SystemClock(),
            report=self.reports.append,
            **changes,
        )
        self.database.on_commit = relay.wake
        await relay.start()
        try:
            yield relay
        finally:
            await relay.stop()

    async def publish(self, keys: list[UUID], revisions: range, name: str = "x") -> None:
        for revision in revisions:
            await publish(self.database, [fact(self.kind, key, revision, name=name) for key in keys])


@pytest.fixture
async def place(kafka_bootstrap: str, database: Database) -> Place:
    made = Place(kafka_bootstrap, database)
    await made.make_topics()
    return made


@pytest.fixture
def keys() -> list[UUID]:
    return [ids.new() for _ in range(20)]


async def test_all_arrives_in_order_in_every_topic(place: Place, keys: list[UUID]) -> None:
    await place.publish(keys, range(1, 6))
    async with place.relay():
        await place.publish(keys, range(6, 11))
        await until_empty(place.database)
    for topic in (place.topic, place.copy):
        records = await read_all(place.bootstrap, topic)
        assert len(records) == 200, "without a failure each comes once"
        assert revisions_by_key(records) == {key: list(range(1, 11)) for key in keys}


async def test_a_record_is_the_event(place: Place) -> None:
    key = ids.new()
    async with place.database.transaction() as session:
        data = fact(place.kind, key, 7).data
        await Outbox(session, clock, ids).publish(place.kind, key, 7, data)
    async with place.relay():
        await until_empty(place.database)
    (record,) = await read_all(place.bootstrap, place.topic)
    event = msgspec.json.decode(record.value, type=Event)
    assert record.key == str(key).encode()
    assert (event.type, event.revision, event.version) == ("thing.done", 7, 1)
    assert msgspec.json.decode(event.data, type=type(data)) == data
    assert dict(record.headers) == {"event_id": str(event.id).encode(), "event_type": b"thing.done"}
    assert abs(record.timestamp / 1000 - event.occurred_at.timestamp()) < 30


async def test_what_is_rolled_back_is_never_sent(place: Place) -> None:
    key = ids.new()
    with pytest.raises(ZeroDivisionError):
        async with place.database.transaction() as session:
            await Outbox(session, clock, ids).publish(place.kind, key, 1, fact(place.kind, key, 1).data)
            raise ZeroDivisionError
    await place.publish([key], range(2, 3))
    async with place.relay():
        await until_empty(place.database)
    assert revisions_by_key(await read_all(place.bootstrap, place.topic)) == {key: [2]}


async def test_partitions_are_those_of_every_kafka_client(place: Place, keys: list[UUID]) -> None:
    from aiokafka import AIOKafkaProducer

    await place.publish(keys, range(1, 2))
    async with place.relay():
        await until_empty(place.database)
    ours = {record.key: record.partition for record in await read_all(place.bootstrap, place.topic)}
    async with AIOKafkaProducer(bootstrap_servers=place.bootstrap) as producer:
        theirs = {key: (await producer.send_and_wait(place.copy, b"x", key=key)).partition for key in ours}
    assert len(set(ours.values())) > 1
    assert ours == theirs


async def test_a_commit_wakes_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place.relay():
        await place.publish([ids.new()], range(1, 2))
        await until_empty(place.database)
        monkeypatch.setattr(relay_module, "_POLL_S", 60)
        await asyncio.sleep(0.2)
        await place.publish([ids.new()], range(1, 4))
        await until_empty(place.database, 20)


async def test_it_looks_by_itself_too(place: Place) -> None:
    async with place.relay():
        place.database.on_commit = lambda: None
        await asyncio.sleep(0.3)
        await place.publish([ids.new()], range(1, 4))
        await until_empty(place.database, 20)


async def test_an_event_that_kafka_refuses_is_a_dead_letter_and_blocks_nothing(place: Place) -> None:
    key, other = ids.new(), ids.new()
    await place.publish([key, other], range(1, 3))
    await place.publish([key], range(3, 4), name="x" * 2_000_000)
    await place.publish([key, other], range(4, 6))
    async with place.relay():
        await until_empty(place.database)
    for topic in (place.topic, place.copy):
        revisions = revisions_by_key(await read_all(place.bootstrap, topic))
        assert revisions == {key: [1, 2, 4, 5], other: [1, 2, 4, 5]}
    dead = await read_all(place.bootstrap, place.dead)
    headers = [dict(record.headers) for record in dead]
    assert {header["original-topic"].decode() for header in headers} == {place.topic, place.copy}
    for record, header in zip(dead, headers, strict=True):
        assert header["reason"].startswith(b"MessageSizeTooLargeError")
        assert int(header["truncated"]) > 2_000_000
        assert record.value[:6] == b'{"id":'
        assert record.key == str(key).encode()


async def test_an_event_that_no_topic_carries_just_goes(place: Place) -> None:
    key = ids.new()
    await publish(place.database, [fact(event_type(place.service), key, 1)])
    await place.publish([key], range(2, 3))
    async with place.relay():
        await until_empty(place.database)
    assert revisions_by_key(await read_all(place.bootstrap, place.topic)) == {key: [2]}


async def test_batches_that_are_too_large_are_cut(place: Place, keys: list[UUID]) -> None:
    narrow = f"{place.service}.narrow"
    admin = AIOKafkaAdminClient(bootstrap_servers=place.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(narrow, 1, 1, topic_configs={"max.message.bytes": "4000"})])
    await admin.close()
    place.kind = event_type(place.service, narrow)
    await place.publish(keys, range(1, 11), name="y" * 500)
    await place.publish(keys[:1], range(11, 12), name="y" * 5_000)
    await place.publish(keys[:1], range(12, 13))
    async with place.relay():
        await until_empty(place.database)
    expected = {key: list(range(1, 11)) for key in keys}
    expected[keys[0]].append(12)
    assert revisions_by_key(await read_all(place.bootstrap, narrow)) == expected
    (dead,) = await read_all(place.bootstrap, place.dead)
    assert b"truncated" not in dict(dead.headers)
    assert msgspec.json.decode(dead.value, type=Event).revision == 11


async def test_a_topic_that_is_missing_is_waited_for(kafka_bootstrap: str, database: Database) -> None:
    place, key = Place(kafka_bootstrap, database), ids.new()
    await place.publish([key], range(1, 4))
    async with place.relay():
        await asyncio.sleep(1.5)
        assert await left(database) == 3
        await place.make_topics()
        await until_empty(database)
    assert revisions_by_key(await read_all(kafka_bootstrap, place.topic)) == {key: [1, 2, 3]}


async def test_two_share_the_slices_and_the_one_that_goes_leaves_them(place: Place, keys: list[UUID]) -> None:
    async def owners() -> dict[str, int]:
        async with place.database.connection() as connection:
            rows = await connection.fetch("SELECT owner, count(*) FROM outbox_slices GROUP BY 1")
        return {row[0]: row[1] for row in rows}

    async def until(wanted: dict[str, int]) -> None:
        async with asyncio.timeout(10):
            while await owners() != wanted:
                await asyncio.sleep(0.05)

    async with place.relay("one", lease_s=1.5, margin_s=0.5):
        await until({"one": SHARDS})
        async with place.relay("two", lease_s=1.5, margin_s=0.5):
            await until({"one": SHARDS // 2, "two": SHARDS // 2})
            await place.publish(keys, range(1, 11))
            await until_empty(place.database)
        assert (await owners()).get("two") is None
        await until({"one": SHARDS})
    records = await read_all(place.bootstrap, place.topic)
    assert len(records) == 200
    assert revisions_by_key(records) == {key: list(range(1, 11)) for key in keys}


async def test_stopping_sends_what_is_there(place: Place, keys: list[UUID]) -> None:
    async with place.relay():
        await place.publish(keys[:1], range(1, 2))
        await until_empty(place.database)
        await place.publish(keys, range(2, 12))
    assert await left(place.database) == 0


async def test_nothing_is_written_once_the_lease_is_lost(place: Place) -> None:
    holds = True
    publisher = OutboxPublisher(place.options, lambda: holds)
    await publisher.connect()
    partition = await publisher.partition_of(place.topic, b"k")
    acked: list[OutboxRecord] = []
    assert await publisher.send({partition: [OutboxRecord(0, b"k", b"in time", [])]}, acked.append) == []
    holds = False
    with pytest.raises(LeaseLost):
        await publisher.send({partition: [OutboxRecord(1, b"k", b"too late", [])]}, acked.append)
    await publisher.abort()
    holds = True
    await publisher.connect()
    await asyncio.sleep(1)
    await publisher.close()
    assert [record.value for record in await read_all(place.bootstrap, place.topic)] == [b"in time"]
    assert [record.row_index for record in acked] == [0]


async def test_one_signature_holds_in_every_topic_of_an_event_and_nowhere_else(place: Place) -> None:
    await place.publish([ids.new()], range(1, 2))
    async with place.relay(sign=SIGNATURES.sign):
        await until_empty(place.database)
    for topic in (place.topic, place.copy):
        (record,) = await read_all(place.bootstrap, topic)
        assert dict(record.headers)["topics"] == f"{place.topic} {place.copy}".encode()
        checked = (record.key, record.value, record.headers)
        assert SIGNATURES.verify(topic, *checked) is None
        assert SIGNATURES.verify("elsewhere", *checked) == MISPLACED
        assert SIGNATURES.verify(topic, record.key, record.value + b" ", record.headers) == FORGED


async def test_metrics_and_reports_tell_how_it_goes(place: Place, keys: list[UUID]) -> None:
    def metric(name: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"service": place.service})

    await place.publish(keys, range(1, 3))
    place.options = {"bootstrap_servers": "127.0.0.1:1"}
    async with place.relay(lease_s=1.0, margin_s=0.2):
        await asyncio.sleep(1.2)
        assert metric("concord_outbox_length") == 40
        assert 0 < (metric("concord_outbox_age_seconds") or 0) < 30
        assert (metric("concord_outbox_rounds_failed_total") or 0) >= 1
        assert place.reports[-1] is not None
    place.options = {"bootstrap_servers": place.bootstrap}
    async with place.relay(lease_s=1.0, margin_s=0.2):
        await until_empty(place.database)
        await asyncio.sleep(1)
        assert metric("concord_outbox_relayed_total") == 40
        assert metric("concord_outbox_length") == metric("concord_outbox_age_seconds") == 0
        assert place.reports[-1] is None


async def test_rows_that_kafka_has_are_not_sent_again_for_a_failed_delete(
    place: Place, keys: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([asyncpg.CannotConnectNowError("starting up"), OSError("reset")])
    delete = relay_module.delete_rows

    async def shaky(connection: asyncpg.Connection, sent: dict[int, UUID]) -> None:
        if (error := next(failures, None)) is not None:
            raise error
        await delete(connection, sent)

    monkeypatch.setattr(relay_module, "delete_rows", shaky)
    await place.publish(keys, range(1, 6))
    async with place.relay():
        await until_empty(place.database)
    assert len(await read_all(place.bootstrap, place.topic)) == 100


async def test_stopping_is_quick_when_the_broker_is_silent(
    tmp_path: Path, jar_cache: JarCache, database: Database
) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    place = Place(kafka.bootstrap, database)
    try:
        await asyncio.to_thread(kafka.start)
        await asyncio.to_thread(kafka.wait_ready)
        await place.make_topics()
        async with place.relay() as relay:
            await place.publish([ids.new()], range(1, 4))
            await until_empty(database)
            assert kafka.child is not None and kafka.child.pid is not None
            os.kill(kafka.child.pid, signal.SIGSTOP)
            await place.publish([ids.new()], range(1, 4))
            await asyncio.sleep(0.5)
            began_s = now_s()
            await relay.stop()
            assert now_s() - began_s < 5
            os.kill(kafka.child.pid, signal.SIGCONT)
            assert [task for task in asyncio.all_tasks() if "Sender" in repr(task)] == []
    finally:
        await asyncio.to_thread(kafka.stop)
