"""Tables, facts and readers for the tests of database, ledger, outbox and relay."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.ext.asyncio import create_async_engine

from shared.contracts.account import PublicProfile
from shared.contracts.event import Event, EventType
from shared.kit.clock import SystemClock, SystemIds
from shared.kit.database.database import Database
from shared.kit.database.idempotency import requests_table
from shared.kit.outbox.outbox import OUTBOX_INSERT, Fact, outbox_rows, outbox_tables

metadata = MetaData()
outbox_tables(metadata)
requests_table(metadata)
Table("things", metadata, Column("id", Integer, primary_key=True), Column("name", Text))
Table("aggregates", metadata, Column("key", Uuid, primary_key=True), Column("revision", Integer))

clock, ids = SystemClock(), SystemIds()


async def make_tables(url: str) -> None:
    """Create the tables above."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


def event_type(service: str, *topics: str) -> EventType:
    """An event of a test's own service, on topics of its own."""
    return EventType(name="thing.done", service=service, data=PublicProfile, topics=topics, summary="A thing")


def fact(kind: EventType, key: UUID, revision: int, *, name: str = "x") -> Fact:
    """The `revision`th fact about `key`."""
    data = PublicProfile(id=key, name=name, image_url=None, revision=revision)
    return Fact(event_type=kind, key=key, revision=revision, data=data)


async def publish(database: Database, facts: Sequence[Fact]) -> None:
    """Commit these facts in one transaction, in this order."""
    async with database.connection() as connection:
        await connection.execute(OUTBOX_INSERT, *outbox_rows(facts, clock, ids))
    database.committed()


async def left(database: Database) -> int:
    """How many rows the outbox has."""
    async with database.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM outbox")
        return count


async def until_empty(database: Database, timeout_s: float = 30) -> None:
    """Wait until everything is relayed."""
    async with asyncio.timeout(timeout_s):
        while await left(database):
            await asyncio.sleep(0.05)


async def read_all(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Every record that the topic has now, each partition in order."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not places:
            await consumer._client.force_metadata_update()
            described = await _partitions(consumer, topic)
            places = [TopicPartition(topic, number) for number in described]
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(places)
        records: list[ConsumerRecord] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records.extend(batch)
        return records


async def _partitions(consumer: Any, topic: str) -> set[int]:
    consumer._client.add_topic(topic)
    while not (found := consumer.partitions_for_topic(topic)):
        await consumer._client.force_metadata_update()
    numbers: set[int] = found
    return numbers


def revisions_by_key(records: Sequence[ConsumerRecord]) -> dict[UUID, list[int]]:
    """For each key the revisions in the order of their first arrival: as a consumer that knows ids sees
    them.
    """
    known: set[UUID] = set()
    seen: dict[UUID, list[int]] = defaultdict(list)
    for record in records:
        event = msgspec.json.decode(record.value, type=Event)
        if event.id not in known:
            known.add(event.id)
            seen[UUID(record.key.decode())].append(event.revision)
    return dict(seen)
