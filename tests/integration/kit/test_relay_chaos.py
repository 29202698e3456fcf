"""Relays that are stopped, killed and cut off while events flow: order by key, nothing lost."""

import asyncio
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import pytest

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres import EmbeddedPostgres
from shared.contracts.errors import ServiceError
from shared.kit.clock import SystemClock
from shared.kit.database.database import Database
from shared.kit.outbox.outbox import OUTBOX_INSERT, outbox_rows
from shared.kit.outbox.relay import Relay
from tests.integration.kit.facts import (
    clock,
    event_type,
    fact,
    ids,
    make_tables,
    publish,
    read_all,
    revisions_by_key,
    until_empty,
)
from tests.integration.kit.mesh import make_topics
from tests.integration.kit.relay_process import BATCH_ROWS, LEASE_S

KEYS = 30
FLOW_S = 10.0


class Flow:
    """Commits facts about many keys, two writers each, under the lock of the aggregate's row."""

    def __init__(self, database: Database, topics: tuple[str, ...]) -> None:
        self._database = database
        self._kind = event_type("chaos", *topics)
        self._running = True
        self._tasks: list[asyncio.Task[None]] = []
        self._keys = [ids.new() for _ in range(KEYS)]

    async def __aenter__(self) -> "Flow":
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO aggregates (key, revision) SELECT unnest($1::uuid[]), 0", self._keys
            )
        self._tasks = [asyncio.create_task(self._of(key)) for key in self._keys * 2]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running = False
        await asyncio.gather(*self._tasks)

    async def expected(self) -> dict[UUID, list[int]]:
        """Return the revisions of each key that must arrive."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT key, revision FROM aggregates")
        return {row["key"]: list(range(1, row["revision"] + 1)) for row in rows}

    async def _of(self, key: UUID) -> None:
        while self._running:
            with suppress(ServiceError):
                await self._commit(key, random.randint(1, 3))
            await asyncio.sleep(random.random() * 0.2)

    async def _commit(self, key: UUID, count: int) -> None:
        async with self._database.connection() as connection, connection.transaction():
            last = await connection.fetchval("SELECT revision FROM aggregates WHERE key = $1 FOR UPDATE", key)
            facts = [fact(self._kind, key, last + step) for step in range(1, count + 1)]
            await connection.execute(OUTBOX_INSERT, *outbox_rows(facts, clock, ids))
            await connection.execute("UPDATE aggregates SET revision = $2 WHERE key = $1", key, last + count)
        self._database.committed()


class RelayProcess:
    """A relay in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = (sys.executable, "-m", "tests.integration.kit.relay_process", *self._arguments)
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        assert await asyncio.wait_for(self._process.stdout.readline(), 60) == b"started\n"

    def tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.returncode is None:
            self.tell(number)
            await asyncio.wait_for(self._process.wait(), 30)


@asynccontextmanager
async def relays(count: int, *arguments: str) -> AsyncIterator[list[RelayProcess]]:
    made = [RelayProcess(*arguments, f"relay-{number}") for number in range(count)]
    try:
        await asyncio.gather(*(relay.start() for relay in made))
        yield made
    finally:
        for relay in made:
            if relay._process is not None and relay._process.returncode is None:
                relay.tell(signal.SIGCONT)
            await relay.end(signal.SIGKILL)


async def disturb(relay: RelayProcess, how: str) -> None:
    """Do one bad thing to a relay; afterwards it runs again."""
    if how == "stop":
        relay.tell(signal.SIGSTOP)
        await asyncio.sleep(LEASE_S * (1.2 + random.random()))
        relay.tell(signal.SIGCONT)
    elif how == "blink":
        relay.tell(signal.SIGSTOP)
        await asyncio.sleep(random.random() * LEASE_S)
        relay.tell(signal.SIGCONT)
    else:
        await relay.end(signal.SIGKILL if how == "kill" else signal.SIGTERM)
        await asyncio.sleep(random.random())
        await relay.start()


@pytest.mark.parametrize("seed", [1, 2])
async def test_relays_that_are_stopped_and_killed(
    seed: int, kafka_bootstrap: str, facts_url: str, database: Database
) -> None:
    random.seed(seed)
    topic = f"chaos.{secrets.token_hex(4)}"
    await make_topics(kafka_bootstrap, topic)
    async with relays(2, "chaos", facts_url, kafka_bootstrap) as running:
        async with Flow(database, (topic,)) as flow:
            until, disturbed = time.monotonic() + FLOW_S, 0
            while time.monotonic() < until:
                disturbed += 1
                await asyncio.sleep(random.random())
                await disturb(
                    random.choice(running), random.choice(["stop", "stop", "blink", "kill", "leave"])
                )
        await until_empty(database)
    expected = await flow.expected()
    records, facts = await read_all(kafka_bootstrap, topic), sum(map(len, expected.values()))
    assert revisions_by_key(records) == expected
    assert facts > 300
    assert len(records) - facts <= BATCH_ROWS * disturbed, "no more than one batch comes twice each time"


async def test_a_killed_relay_that_comes_back_goes_on_at_once(
    kafka_bootstrap: str, facts_url: str, database: Database
) -> None:
    topic = f"chaos.{secrets.token_hex(4)}"
    await make_topics(kafka_bootstrap, topic)
    async with database.connection() as connection:
        await connection.execute("INSERT INTO outbox_slices (slice) SELECT generate_series(0, 7)")
        await connection.execute(
            "UPDATE outbox_slices "
            "SET owner = 'same', token = gen_random_uuid(), expires_at = now() + interval '1 day'"
        )
    await publish(database, [fact(event_type("chaos", topic), ids.new(), 1)])
    relay = Relay("chaos", database, {"bootstrap_servers": kafka_bootstrap}, "other", SystemClock())
    await relay.start()
    with pytest.raises(TimeoutError):
        await until_empty(database, 1)
    await relay.stop()
    relay = Relay("chaos", database, {"bootstrap_servers": kafka_bootstrap}, "same", SystemClock())
    await relay.start()
    await until_empty(database, 6)
    await relay.stop()


async def test_a_broker_that_is_killed_and_restarted(
    tmp_path: Path, jar_cache: JarCache, database: Database
) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", free_port(), jar_cache, tmp_path / "kafka.log")
    topics = ("chaos.one", "chaos.two")
    relay = Relay("chaos", database, {"bootstrap_servers": kafka.bootstrap}, "one", SystemClock())
    database.on_commit = relay.wake
    try:
        await asyncio.to_thread(kafka.start)
        await asyncio.to_thread(kafka.wait_ready)
        await make_topics(kafka.bootstrap, *topics)
        await relay.start()
        async with Flow(database, topics) as flow:
            await asyncio.sleep(2)
            assert kafka.child is not None and kafka.child.pid is not None
            os.kill(kafka.child.pid, signal.SIGKILL)
            await asyncio.sleep(2)
            await asyncio.to_thread(kafka.stop)
            await asyncio.to_thread(kafka.start)
            await asyncio.to_thread(kafka.wait_ready)
            await asyncio.sleep(1)
        await until_empty(database, 15)
        for topic in topics:
            assert revisions_by_key(await read_all(kafka.bootstrap, topic)) == await flow.expected()
    finally:
        await relay.stop()
        await asyncio.to_thread(kafka.stop)


async def test_a_database_that_is_killed_and_restarted(
    kafka_bootstrap: str, own_postgres: EmbeddedPostgres
) -> None:
    topic = f"chaos.{secrets.token_hex(4)}"
    await make_topics(kafka_bootstrap, topic)
    await make_tables(own_postgres.admin_url)
    database = await Database.open(own_postgres.admin_url)
    relay = Relay("chaos", database, {"bootstrap_servers": kafka_bootstrap}, "one", SystemClock())
    database.on_commit = relay.wake
    await relay.start()
    async with Flow(database, (topic,)) as flow:
        for number in (signal.SIGKILL, signal.SIGINT):
            await asyncio.sleep(1.5)
            assert own_postgres.child is not None and own_postgres.child.pid is not None
            os.kill(own_postgres.child.pid, number)
            await asyncio.sleep(1)
            await asyncio.to_thread(own_postgres.start)
            await asyncio.to_thread(own_postgres.wait_ready)
        await asyncio.sleep(1)
    await until_empty(database)
    assert revisions_by_key(await read_all(kafka_bootstrap, topic)) == await flow.expected()
    await relay.stop()
    await database.close()
