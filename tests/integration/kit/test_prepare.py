"""Topics and tables: made once, by however many; differences are reported and left alone."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres import EmbeddedPostgres
from cli.provisioning.provision import PrepareError, PrepareSettings, prepare, prepare_all
from migrations.runner import head_of
from shared.contracts.catalogue import SERVICES
from shared.contracts.topics import LIVE_PARTITIONS, Topic, all_topics
from shared.kit.kafka.topic_admin import TopicsError, ensure_topics


def some_topics(count: int = 3) -> list[Topic]:
    config = {"cleanup.policy": "delete", "retention.ms": "3600000"}
    prefix = secrets.token_hex(4)
    return [
        Topic(name=f"prepare.{prefix}.{number}", partitions=3, config=config, summary="A test")
        for number in range(count)
    ]


async def described(bootstrap: str) -> dict[str, int]:
    """Partitions by topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    topics = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    await admin.close()
    return topics


async def test_topics_are_created_once(kafka_bootstrap: str) -> None:
    options, topics = {"bootstrap_servers": kafka_bootstrap}, some_topics()
    names = {topic.name for topic in topics}
    assert set((await ensure_topics(options, topics)).created) == names
    again = await ensure_topics(options, topics)
    assert (again.created, again.differing) == ((), ())
    assert {
        name: count for name, count in (await described(kafka_bootstrap)).items() if name in names
    } == dict.fromkeys(names, 3)


async def test_several_at_once_are_fine(kafka_bootstrap: str) -> None:
    options, topics = {"bootstrap_servers": kafka_bootstrap}, some_topics(20)
    reports = await asyncio.gather(*(ensure_topics(options, topics) for _ in range(4)))
    created = [name for report in reports for name in report.created]
    assert sorted(created) == sorted(topic.name for topic in topics)


async def test_what_differs_is_told_with_both_values_and_stays(
    kafka_bootstrap: str, caplog: pytest.LogCaptureFixture
) -> None:
    options, (one, two) = {"bootstrap_servers": kafka_bootstrap}, some_topics(2)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics(
        [
            NewTopic(one.name, 5, 1, topic_configs=one.config),
            NewTopic(two.name, 3, 1, topic_configs={"retention.ms": "77"}),
        ]
    )
    await admin.close()
    with caplog.at_level(logging.WARNING, "shared.kit.kafka.topic_admin"):
        report = await ensure_topics(options, [one, two])
    partitions, retention = report.differing
    assert one.name in partitions and "5" in partitions and "3" in partitions
    assert two.name in retention and "retention.ms=77" in retention and "3600000" in retention
    assert caplog.messages == [partitions, retention]
    assert (await described(kafka_bootstrap))[one.name] == 5
    assert (await ensure_topics(options, [one, two])).differing == report.differing


async def test_a_broker_that_never_comes_is_a_clear_error() -> None:
    began = time.monotonic()
    with pytest.raises(
        TopicsError, match=r"127\.0\.0\.1:1 was not ready within 1 s.*KAFKA_BOOTSTRAP_SERVERS"
    ):
        await ensure_topics({"bootstrap_servers": "127.0.0.1:1"}, some_topics(), wait_s=1)
    assert time.monotonic() - began < 5


async def test_too_few_brokers_is_a_clear_error(kafka_bootstrap: str) -> None:
    with pytest.raises(TopicsError, match="KAFKA_REPLICATION_FACTOR"):
        await ensure_topics(
            {"bootstrap_servers": kafka_bootstrap}, some_topics(), replication_factor=3, wait_s=1
        )


async def test_a_name_that_kafka_refuses_is_a_clear_error(kafka_bootstrap: str) -> None:
    bad = Topic(name="no spaces", partitions=1, config={}, summary="A test")
    with pytest.raises(TopicsError, match="no spaces"):
        await ensure_topics({"bootstrap_servers": kafka_bootstrap}, [bad], wait_s=5)


def environ_of(bootstrap: str, database_url: Callable[[], str]) -> dict[str, str]:
    urls = {f"{service.upper()}_DATABASE_URL": database_url() for service in SERVICES}
    return {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_PARTITIONS": "2", **urls}


def test_prepare_makes_topics_and_tables_as_often_as_you_like(
    kafka_bootstrap: str, database_url: Callable[[], str]
) -> None:
    environ = environ_of(kafka_bootstrap, database_url)
    prepare(environ)
    prepare(environ)
    topics = asyncio.run(described(kafka_bootstrap))
    assert {topic.name for topic in all_topics(2)} <= set(topics)
    assert topics["live-events"] == LIVE_PARTITIONS

    async def version(service: str) -> str:
        connection = await asyncpg.connect(environ[f"{service.upper()}_DATABASE_URL"])
        try:
            return str(await connection.fetchval("SELECT version_num FROM alembic_version"))
        finally:
            await connection.close()

    for service in SERVICES:
        if head_of(service) is not None:
            assert asyncio.run(version(service)) == head_of(service)


async def test_all_that_is_missing_is_told_at_once() -> None:
    nowhere = "postgresql://nobody:hidden@127.0.0.1:1/none"
    settings = PrepareSettings(
        kafka_bootstrap_servers="127.0.0.1:1", server_database_url=nowhere, message_database_url=nowhere
    )
    with pytest.raises(PrepareError) as caught:
        await prepare_all(settings, wait_s=1)
    told = str(caught.value)
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "SERVER_DATABASE_URL", "MESSAGE_DATABASE_URL"):
        assert name in told
    assert "hidden" not in told


async def test_it_waits_for_what_is_still_starting(tmp_path: Path, jar_cache: JarCache) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    postgres = EmbeddedPostgres(
        tmp_path / "postgres", free_port(), tmp_path / "postgres.log", {"fsync": "off"}
    )
    try:
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(postgres.wait_ready)
        settings = PrepareSettings(
            kafka_bootstrap_servers=kafka.bootstrap, server_database_url=postgres.admin_url
        )
        await asyncio.to_thread(postgres.stop)
        preparing = asyncio.create_task(prepare_all(settings))
        await asyncio.sleep(1)
        assert not preparing.done()
        await asyncio.to_thread(kafka.start)
        await asyncio.to_thread(postgres.start)
        await preparing
        assert {topic.name for topic in all_topics(4)} <= set(await described(kafka.bootstrap))
    finally:
        await asyncio.to_thread(kafka.stop)
        await asyncio.to_thread(postgres.stop)
