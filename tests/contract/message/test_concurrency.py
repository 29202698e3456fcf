"""Several replicas at once, held locks and lost connections, on a real Postgres."""

import asyncio
import itertools
import random
from collections import Counter
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text

from shared.contracts.errors import ServiceError
from shared.contracts.message import Message
from shared.kit.database.database import Database
from shared.kit.wire.call import Reply
from tests.contract.message.conftest import MakeWorld
from tests.unit.message.world import IDS, World, ask, message_of, refused


async def stored(database: Database, channel_id: UUID) -> list[Any]:
    """Return the rows of a channel by sequence."""
    async with database.snapshot() as session:
        rows = await session.execute(
            text("SELECT * FROM messages WHERE channel_id = :id ORDER BY sequence"), {"id": channel_id}
        )
        return list(rows.all())


async def published(database: Database) -> list[Any]:
    """Return the events of the outbox in the order of their ids."""
    async with database.snapshot() as session:
        rows = await session.execute(
            text("SELECT convert_from(body, 'UTF8')::json AS event FROM outbox ORDER BY id")
        )
        return [row.event for row in rows.all()]


async def check_complete(database: Database, channel_id: UUID) -> list[Any]:
    """Check that no message is missing or double and that each has one event, in order. Return the rows."""
    rows = await stored(database, channel_id)
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert len({row.id for row in rows}) == len(rows)
    events = [event for event in await published(database) if event["data"]["channelId"] == str(channel_id)]
    assert [event["revision"] for event in events] == list(range(1, len(events) + 1))
    created = [event["data"]["sequence"] for event in events if event["type"] == "message.created"]
    assert created == [row.sequence for row in rows]
    return rows


async def same_facts(make_world: MakeWorld, count: int) -> tuple[list[World], UUID, UUID]:
    """Return several replicas, and a channel and a member that they all know."""
    worlds = [await make_world() for _ in range(count)]
    channel, ada = await worlds[0].channel(), await worlds[0].member()
    return worlds, channel, ada


async def test_two_replicas_on_one_channel(make_world: MakeWorld, database: Database) -> None:
    worlds, channel, ada = await same_facts(make_world, 2)
    other = await worlds[0].channel()

    async def sender(world: World, name: int) -> list[Message]:
        sent = []
        for turn in range(12):
            size = random.randint(1, 24)
            batch = [ask(random.choice([channel, other]), ada, f"{name} {turn} {n}") for n in range(size)]
            outcomes = [message_of(outcome) for outcome in await world.send_all(batch)]
            assert [message.content for message in outcomes] == [
                received.request.content for received in batch
            ]
            sent += outcomes
        return sent

    sent = await asyncio.gather(*(sender(world, name) for name in range(2) for world in worlds))
    rows = [*await check_complete(database, channel), *await check_complete(database, other)]
    assert Counter(row.id for row in rows) == Counter(message.id for messages in sent for message in messages)
    for mine in sent:
        for channel_id in (channel, other):
            order = [message.sequence for message in mine if message.channel_id == channel_id]
            assert order == sorted(order)


async def test_a_nonce_from_two_replicas_at_once(make_world: MakeWorld, database: Database) -> None:
    worlds, channel, ada = await same_facts(make_world, 3)
    for n in range(10):
        batches = [
            world.send_all([ask(channel, ada, nonce=f"{n}"), ask(channel, ada, key=f"k{n}")])
            for world in worlds
        ]
        outcomes = await asyncio.gather(*batches)
        by_nonce = [outcome[0] for outcome in outcomes]
        by_key = [outcome[1] for outcome in outcomes]
        assert len({message_of(outcome).id for outcome in by_nonce}) == 1
        assert sorted(outcome.status for outcome in by_nonce if isinstance(outcome, Reply)) == [200, 200, 201]
        assert len({message_of(outcome).id for outcome in by_key}) == 1
    assert len(await check_complete(database, channel)) == 20


async def test_a_held_lock_delays_its_channel_only(postgres_world: World, service_url: str) -> None:
    world = postgres_world
    one, two, ada = await world.channel(), await world.channel(), await world.member()
    connection = await asyncpg.connect(service_url)
    holding = connection.transaction()
    await holding.start()
    await connection.execute("SELECT 1 FROM channels WHERE id = $1 FOR UPDATE", one)

    held = asyncio.create_task(world.send_all([ask(one, ada, "a"), ask(one, ada, "b")]))
    while not len(world.queue._lock_queue):
        await asyncio.sleep(0.005)
    mixed = asyncio.create_task(world.send_all([ask(one, ada, "c"), ask(two, ada, "x")]))
    for turn in range(5):
        async with asyncio.timeout(3):
            await world.send(two, ada, f"{turn}")
        await asyncio.sleep(0.1)
    assert not held.done()
    await holding.rollback()
    await connection.close()
    outcomes = [message_of(outcome) for outcome in [*await held, *await mixed]]
    assert [(message.content, message.sequence) for message in outcomes if message.channel_id == one] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]


async def test_changes_during_sends_keep_the_order_of_revisions(
    make_world: MakeWorld, database: Database
) -> None:
    worlds, channel, ada = await same_facts(make_world, 2)
    first = [
        message_of(result) for result in await worlds[0].send_all([ask(channel, ada) for _ in range(30)])
    ]

    few = asyncio.Semaphore(4)  # fewer than the connections, so that no change is busy

    async def change(index: int) -> None:
        world = worlds[index % 2]
        async with few:
            if index % 3:
                await world.edit(first[index], ada, f"edited {index}")
            else:
                await world.delete(first[index], ada)

    async def send(world: World) -> None:
        for _ in range(10):
            await world.send_all([ask(channel, ada) for _ in range(3)])

    await asyncio.gather(*(change(index) for index in range(30)), *(send(world) for world in worlds))
    rows = await check_complete(database, channel)
    assert len(rows) == 90
    assert len(await published(database)) == 120
    assert sum(row.content is None for row in rows) == 10


async def test_nothing_is_lost_or_doubled_when_connections_die(
    make_world: MakeWorld, database: Database, service_url: str
) -> None:
    worlds, channel, ada = await same_facts(make_world, 2)
    killer = await asyncpg.connect(service_url, server_settings={"application_name": "killer"})

    async def kill() -> None:
        kills = 0
        while kills < 8:
            await asyncio.sleep(random.uniform(0.02, 0.1))
            kills += await killer.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name <> 'killer' AND state <> 'idle'"
            )

    async def sender(world: World, name: int) -> tuple[list[Message], list[str]]:
        sent: list[Message] = []
        unknown: list[str] = []
        turns = itertools.count()
        while not killing.done():
            turn = next(turns)
            batch = [ask(channel, ada, f"{name} {turn} {n}", nonce=f"{name} {turn} {n}") for n in range(4)]
            for received, outcome in zip(batch, await world.send_all(batch), strict=True):
                if isinstance(outcome, ServiceError):
                    assert outcome.code.name == "mesh.busy"
                    unknown.append(received.request.nonce or "")
                else:
                    sent.append(message_of(outcome))
        return sent, unknown

    killing = asyncio.create_task(kill())
    results = await asyncio.gather(*(sender(world, name) for name, world in enumerate(worlds)))
    await killing
    await killer.close()
    sent = [message for messages, _ in results for message in messages]
    again = [await worlds[0].send(channel, ada, nonce=nonce) for _, unknown in results for nonce in unknown]
    rows = await check_complete(database, channel)
    assert len(rows) == len(sent) + len(again)
    assert {row.id for row in rows} == {message.id for message in [*sent, *again]}
    assert len({row.nonce for row in rows}) == len(rows)


async def test_after_a_deletion_event_nothing_is_stored(make_world: MakeWorld, database: Database) -> None:
    worlds, channel, ada = await same_facts(make_world, 2)

    async def sender(world: World) -> None:
        while True:
            outcomes = await world.send_all([ask(channel, ada) for _ in range(8)])
            if any(isinstance(outcome, ServiceError) for outcome in outcomes):
                return

    senders = asyncio.gather(*(sender(world) for world in worlds))
    while not await stored(database, channel):
        await asyncio.sleep(0.01)
    await worlds[0].on_server_event(worlds[0].server.delete_channel(channel))
    count = len(await stored(database, channel))
    await senders
    assert len(await stored(database, channel)) == count > 0
    assert await refused(worlds[1].send(channel, ada)) == "channel.not_found"


async def test_nothing_slips_in_beside_the_deletion_of_its_server(make_world: MakeWorld) -> None:
    for _ in range(15):
        world = await make_world()
        channel, created = world.server.add_channel()
        ada = IDS.new()
        joined = world.server.join(ada)
        answer = world.outside.facts.save_access(world.server.answer(channel, ada), ada)
        deleted = world.server.delete()
        facts = [answer, *(world.on_server_event(event) for event in (created, joined, deleted))]
        random.shuffle(facts)
        await asyncio.gather(*facts)
        async with world.outside.units.snapshot() as unit:
            membership = await unit.membership(channel, ada)
        assert membership.channel is None or membership.channel.deleted


async def test_the_data_of_one_send_harms_no_other(postgres_world: World, database: Database) -> None:
    world = postgres_world
    channel, ada = await world.channel(), await world.member()
    batch = [ask(channel, ada, "no\x00 text" if n == 5 else f"{n}") for n in range(12)]
    outcomes = await world.send_all(batch)
    assert [isinstance(outcome, ServiceError) for outcome in outcomes] == [n == 5 for n in range(12)]
    assert len(await check_complete(database, channel)) == 11
