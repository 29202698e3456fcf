"""Reply topics: idle ones with our mark are deleted, all others kept, a deleted one is created again."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.contracts.account import KEYS_GET, GetKeys, Jwk, Jwks
from shared.contracts.errors import ServiceError
from shared.kit.kafka.options import kafka_options
from shared.kit.rpc import reply_topics
from shared.kit.rpc.client_session import RpcClientSession
from shared.kit.rpc.reply_topics import ReplyTopicCollector, create_reply_topic, reply_topic_configs
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.call import Call
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    running_client,
    running_producer,
    running_service,
    settings_for,
)
from tests.unit.kit.rpc.calls import SECRET

IDLE_AFTER_MS = 1_000
OTHER_SECRET = "another-mesh-has-another-secret-than-this"


class Mesh:
    """Reply topics of a mesh with a secret of its own, so that it deletes none of the other tests' topics."""

    def __init__(self, bootstrap: str, admin: AIOKafkaAdminClient, producer: AIOKafkaProducer) -> None:
        self.admin = admin
        self.options = {"bootstrap_servers": bootstrap}
        self.secret = secrets.token_hex(32)
        self.signatures = RecordSigner(self.secret)
        self._producer = producer
        self.own = ""

    async def create(self, *, beats: int = 1, signatures: RecordSigner | None = None) -> str:
        """A topic as a process of this mesh creates it."""
        name = f"gateway.replies.{secrets.token_hex(4)}"
        await create_reply_topic(self.options, name, 1, signatures or self.signatures)
        for _ in range(beats):
            await self.beat(name)
        return name

    async def create_other(
        self, name: str, config: dict[str, str], *, partitions: int = 1, records: int = 1
    ) -> str:
        """A topic of somebody else."""
        response = await self.admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
        assert response.topic_errors[0][1] == 0
        for partition in range(partitions if records else 0):
            await self.beat(name, partition)
        return name

    async def beat(self, name: str, partition: int = 0) -> None:
        now_ms = int(time.time() * 1000)
        await self._producer.send_and_wait(name, b"beat", partition=partition, timestamp_ms=now_ms)

    async def collector(self, idle_after_ms: int = IDLE_AFTER_MS) -> ReplyTopicCollector:
        self.own = await self.create()
        return ReplyTopicCollector(self.options, self.own, self.signatures, idle_after_ms)

    async def collect_until_idle(self, *living: str) -> list[str]:
        """All that a process deletes while others are idle for long enough."""
        collector = await self.collector()
        deleted: list[str] = []
        for _ in range(4):
            deleted += await self.look(collector, *living)
            await asyncio.sleep(IDLE_AFTER_MS / 2_500)
        return deleted

    async def look(self, collector: ReplyTopicCollector, *living: str) -> list[str]:
        for name in (self.own, *living):
            await self.beat(name)
        return await collector.collect()

    async def names(self) -> set[str]:
        return set(await self.admin.list_topics())


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
async def mesh(kafka_bootstrap: str, admin: AIOKafkaAdminClient) -> AsyncIterator[Mesh]:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        yield Mesh(kafka_bootstrap, admin, producer)


async def test_idle_topics_are_deleted_and_living_ones_kept(mesh: Mesh) -> None:
    idle, empty, living = await mesh.create(), await mesh.create(beats=0), await mesh.create()
    assert set(await mesh.collect_until_idle(living)) == {idle, empty}
    names = await mesh.names()
    assert not {idle, empty} & names
    assert {living, mesh.own} <= names


ENDLESS = {"retention.ms": "-1"}
ALMOST_OURS = {"retention.ms": "600000", "segment.ms": "600000", "message.timestamp.type": "LogAppendTime"}


async def test_topics_of_strangers_are_kept(mesh: Mesh) -> None:
    strangers = {
        await mesh.create_other(
            f"{prefix}.{secrets.token_hex(4)}", config, partitions=partitions, records=records
        )
        for prefix in ("billing.replies.archive", "gateway.replies")
        for config in (ENDLESS, ALMOST_OURS, {})
        for partitions in (1, 3)
        for records in (0, 1)
    }
    idle = await mesh.create()
    assert await mesh.collect_until_idle() == [idle]
    assert strangers <= await mesh.names()


async def test_topics_of_another_mesh_on_the_same_kafka_are_kept(mesh: Mesh) -> None:
    other = await mesh.create(signatures=RecordSigner(OTHER_SECRET))
    assert await mesh.collect_until_idle() == []
    assert other in await mesh.names()


async def test_the_mark_of_one_topic_is_none_on_another(mesh: Mesh) -> None:
    [copied] = reply_topic_configs("gateway.replies.original", mesh.signatures)
    name = await mesh.create_other(f"gateway.replies.{secrets.token_hex(4)}", copied)
    assert await mesh.collect_until_idle() == []
    assert name in await mesh.names()


async def test_a_topic_whose_retention_somebody_changed_is_kept(mesh: Mesh) -> None:
    name = await mesh.create()
    [created] = reply_topic_configs(name, mesh.signatures)
    await mesh.admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs=created | ENDLESS)]
    )
    assert await mesh.collect_until_idle() == []
    assert name in await mesh.names()


async def test_an_existing_topic_gets_no_mark(mesh: Mesh) -> None:
    """A process may be given a name under which a stranger has a topic."""
    name = await mesh.create_other(f"gateway.replies.{secrets.token_hex(4)}", ENDLESS)
    await create_reply_topic(mesh.options, name, 1, mesh.signatures)
    assert await mesh.collect_until_idle() == []
    assert name in await mesh.names()


async def test_topics_marked_before_the_secret_changed_are_deleted(mesh: Mesh) -> None:
    idle = await mesh.create()
    mesh.signatures = RecordSigner(OTHER_SECRET + secrets.token_hex(4), mesh.secret)
    assert await mesh.collect_until_idle() == [idle]


async def test_a_topic_that_lives_on_any_partition_is_kept(mesh: Mesh) -> None:
    name = await mesh.create()
    await mesh.admin.create_partitions({name: NewPartitions(3)})
    collector = await mesh.collector()
    for _ in range(5):
        await mesh.beat(name, 2)
        assert await mesh.look(collector) == []
        await asyncio.sleep(IDLE_AFTER_MS / 2_500)
    assert name in await mesh.names()


@pytest.mark.parametrize("ahead_s", [5 * 3600, -5 * 3600])
async def test_the_clock_of_this_host_is_of_no_account(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch, ahead_s: int
) -> None:
    idle, living = await mesh.create(), await mesh.create()
    patient = await mesh.collector(idle_after_ms=120_000)
    assert await mesh.look(patient) == []
    host_time = time.time
    monkeypatch.setattr(time, "time", lambda: host_time() + ahead_s)
    assert await mesh.look(patient) == [], "no heartbeat since the clock jumped, but no time passed either"
    assert set(await mesh.collect_until_idle(living)) == {idle, patient._own.topic}
    assert living in await mesh.names()


async def test_a_sleep_of_the_machine_makes_no_topic_idle(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it, or after an outage of Kafka, one process is the first to send a heartbeat."""
    monkeypatch.setattr(reply_topics, "GAP_MAX_MS", IDLE_AFTER_MS // 2)
    living = await mesh.create()
    collector = await mesh.collector()
    assert await mesh.look(collector) == []
    await asyncio.sleep(IDLE_AFTER_MS / 500)
    assert await mesh.look(collector) == []
    assert await mesh.look(collector, living) == []
    assert living in await mesh.names()


async def test_without_the_time_of_the_broker_nothing_is_deleted(mesh: Mesh) -> None:
    """An own topic of an earlier version has the time of its producer."""
    await mesh.create()
    collector = await mesh.collector(idle_after_ms=0)
    old = await mesh.create_other(
        f"gateway.replies.{secrets.token_hex(4)}", {"message.timestamp.type": "CreateTime"}
    )
    assert await ReplyTopicCollector(mesh.options, old, mesh.signatures, 0).collect() == []
    assert await collector.collect()


async def test_hundreds_are_looked_up_at_once(mesh: Mesh) -> None:
    """One after the other they would take longer than a look may, and nothing would ever be deleted."""
    names = [f"gateway.replies.{secrets.token_hex(4)}" for _ in range(200)]
    topics = [
        NewTopic(name, 1, 1, topic_configs=reply_topic_configs(name, mesh.signatures)[0]) for name in names
    ]
    await mesh.admin.create_topics(topics)
    assert set(await mesh.collect_until_idle()) == set(names)
    async with asyncio.timeout(20):
        while set(names) & await mesh.names():
            await asyncio.sleep(0.1)


async def test_collectors_that_meet_disturb_each_other_for_seconds_at_most(mesh: Mesh) -> None:
    idle = {await mesh.create() for _ in range(3)}
    collectors = [await mesh.collector() for _ in range(4)]
    await asyncio.gather(*(mesh.look(collector) for collector in collectors))
    await asyncio.sleep(IDLE_AFTER_MS / 900)
    owns = {collector._own.topic for collector in collectors}
    for own in owns:
        await mesh.beat(own)
    looks = await asyncio.wait_for(asyncio.gather(*(each.collect() for each in collectors)), 20)
    assert idle & {name for deleted in looks for name in deleted} == idle
    assert owns <= await mesh.names()


async def test_the_topic_of_a_running_client_is_marked(mesh: Mesh, kafka_bootstrap: str) -> None:
    async with running_client(settings_for(kafka_bootstrap)) as client:
        own = client._reply_to.decode()
        collector = ReplyTopicCollector(mesh.options, mesh.own, RecordSigner(SECRET))
        assert await collector._marked(mesh.admin, [own]) == [own]


async def test_a_caller_whose_topic_was_deleted_gets_replies_again(
    kafka_bootstrap: str, admin: AIOKafkaAdminClient
) -> None:
    async def keys(request: GetKeys, call: Call) -> Any:
        return Jwks(keys=[Jwk(kid="k", x=request.audience)])

    await make_request_topics(kafka_bootstrap, "auth")
    settings = settings_for(kafka_bootstrap, call_timeout_ms=1_000)
    handlers = answering_all("auth", keys)
    async with running_service(settings, handlers), running_producer(settings) as producer:
        name = secrets.token_hex(4)
        calling = RpcClientSession(
            "gateway", name, producer, kafka_options(settings), settings, heartbeat_interval_s=0.5
        )
        await calling.start()
        assert await calling.client.call(KEYS_GET, GetKeys())
        await admin.delete_topics([f"gateway.replies.{name}"])
        deadline = time.monotonic() + 15
        answer = None
        while answer is None and time.monotonic() < deadline:
            try:
                answer = await calling.client.call(KEYS_GET, GetKeys(audience="again"))
            except ServiceError:
                await asyncio.sleep(0.2)
        await calling.stop()
    assert answer is not None
    assert answer.keys[0].x == "again"
