"""Reply topics: idle ones are swept, living ones kept, a deleted one made again."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.contracts.account import KEYS_GET, GetKeys, Jwk, Jwks
from shared.contracts.errors import ServiceError
from shared.kit.clock import now_ms
from shared.kit.config.settings import kafka_options
from shared.kit.rpc.client_session import RpcClientSession
from shared.kit.rpc.reply_topics import IDLE_AFTER_MS, Sweeper, create_reply_topic
from shared.kit.wire.call import Call
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    running_client,
    running_producer,
    running_service,
    settings_for,
)


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await client.start()
    yield client
    await client.close()


async def reply_topic_with(bootstrap: str, *ages_ms: int) -> str:
    """A reply topic with records of these ages."""
    topic = f"gateway.replies.{secrets.token_hex(4)}"
    await create_reply_topic({"bootstrap_servers": bootstrap}, topic, 1)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for age_ms in ages_ms:
        await producer.send_and_wait(topic, b"beat", partition=0, timestamp_ms=now_ms() - age_ms)
    async with asyncio.timeout(10):
        # A broker that has much to delete tells late of what is new.
        while topic not in (await producer.client.fetch_all_metadata()).topics():
            await asyncio.sleep(0.05)
    await producer.stop()
    return topic


async def test_idle_topics_are_swept_and_living_ones_kept(
    kafka_bootstrap: str, admin: AIOKafkaAdminClient
) -> None:
    idle = await reply_topic_with(kafka_bootstrap, IDLE_AFTER_MS + 60_000, IDLE_AFTER_MS + 1_000)
    beaten = await reply_topic_with(kafka_bootstrap, IDLE_AFTER_MS + 60_000, IDLE_AFTER_MS - 60_000)
    async with running_client(settings_for(kafka_bootstrap)) as client:
        swept = await Sweeper({"bootstrap_servers": kafka_bootstrap}).sweep()
        await asyncio.sleep(0.5)
        topics = await admin.list_topics()
        assert idle in swept
        assert idle not in topics
        for alive in (beaten, client._reply_to.decode()):
            assert alive not in swept
            assert alive in topics


async def test_hundreds_are_looked_up_at_once(kafka_bootstrap: str, admin: AIOKafkaAdminClient) -> None:
    """One after the other they would take longer than a look may, and nothing would ever be swept."""
    idle = await reply_topic_with(kafka_bootstrap, IDLE_AFTER_MS + 1_000)
    many = [f"gateway.replies.{secrets.token_hex(4)}" for _ in range(200)]
    await admin.create_topics([NewTopic(name, 1, 1) for name in many])
    try:
        assert idle in await Sweeper({"bootstrap_servers": kafka_bootstrap}).sweep()
    finally:
        await admin.delete_topics(many)
        async with asyncio.timeout(20):
            while set(many) & set(await admin.list_topics()):
                await asyncio.sleep(0.1)


async def test_a_topic_that_was_just_made_is_kept_at_the_first_look(kafka_bootstrap: str) -> None:
    new = await reply_topic_with(kafka_bootstrap)
    sweeper = Sweeper({"bootstrap_servers": kafka_bootstrap})
    assert new not in await sweeper.sweep()
    assert new not in await Sweeper({"bootstrap_servers": kafka_bootstrap}).sweep()
    assert new in await sweeper.sweep()


async def test_sweepers_that_meet_disturb_each_other_for_seconds_at_most(kafka_bootstrap: str) -> None:
    for _ in range(3):
        await reply_topic_with(kafka_bootstrap, IDLE_AFTER_MS + 60_000)
    sweepers = [Sweeper({"bootstrap_servers": kafka_bootstrap}) for _ in range(4)]
    await asyncio.wait_for(asyncio.gather(*(sweeper.sweep() for sweeper in sweepers)), 20)
    assert await Sweeper({"bootstrap_servers": kafka_bootstrap}).sweep() == []


async def test_no_other_topic_is_swept(kafka_bootstrap: str, admin: AIOKafkaAdminClient) -> None:
    await make_request_topics(kafka_bootstrap, "auth")
    before = {name for name in await admin.list_topics() if ".replies." not in name}
    sweeper = Sweeper({"bootstrap_servers": kafka_bootstrap}, idle_after_ms=-60_000)
    await sweeper.sweep()
    assert before <= set(await admin.list_topics())


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
            "gateway", name, producer, kafka_options(settings), settings, beat_interval_s=0.5
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
