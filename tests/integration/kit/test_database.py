"""A real Postgres that is overloaded, slow, killed and restarted: `mesh.busy`, then recovery."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from cli.embedded.postgres import EmbeddedPostgres
from shared.contracts.errors import MESH_BUSY, SERVER_NOT_FOUND, ServiceError
from shared.kit.clock import SystemIds
from shared.kit.database.database import Database, DatabaseBounds
from shared.kit.database.errors import translate_errors

QUICK = DatabaseBounds(
    sessions=2,
    hot=2,
    acquire_timeout_ms=200,
    connect_timeout_ms=1000,
    statement_timeout_ms=600,
    lock_timeout_ms=200,
)


@pytest.fixture
async def quick(facts_url: str) -> AsyncIterator[Database]:
    """The database with small pools and short timeouts."""
    database = await Database.open(facts_url, bounds=QUICK)
    yield database
    await database.close()


async def add(database: Database, number: int) -> None:
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO things (id) VALUES (:id)"), {"id": number})


async def things(database: Database) -> list[int]:
    async with database.snapshot() as session:
        return list((await session.scalars(text("SELECT id FROM things ORDER BY id"))).all())


async def busy(work: object) -> None:
    """Await the call, which must raise `mesh.busy`."""
    with pytest.raises(ServiceError) as caught:
        await work  # type: ignore[misc]
    assert caught.value.code is MESH_BUSY


async def test_a_transaction_commits_and_reports_it(database: Database) -> None:
    commits: list[str] = []
    database.on_commit = lambda: commits.append("committed")
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO things (id) VALUES (1)"))
        assert commits == []
    assert commits == ["committed"]
    assert await things(database) == [1]


async def test_a_transaction_rolls_back_when_the_block_raises(database: Database) -> None:
    commits: list[str] = []
    database.on_commit = lambda: commits.append("committed")
    with pytest.raises(ServiceError) as caught:
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO things (id) VALUES (1)"))
            raise SERVER_NOT_FOUND.exception("none")
    assert caught.value.code is SERVER_NOT_FOUND
    assert commits == []
    assert await things(database) == []


async def test_a_snapshot_sees_one_moment(database: Database) -> None:
    async with database.snapshot() as session:
        before = await session.scalar(text("SELECT count(*) FROM things"))
        await add(database, 1)
        assert await session.scalar(text("SELECT count(*) FROM things")) == before == 0


async def test_a_snapshot_writes_nothing(database: Database) -> None:
    with pytest.raises(ServiceError):
        async with database.snapshot() as session:
            await session.execute(text("INSERT INTO things (id) VALUES (1)"))
    await add(database, 2)
    assert await things(database) == [2]


async def test_ids_and_times_are_plain_ones(database: Database) -> None:
    given, now = SystemIds().new(), datetime.now(UTC)
    statement = "SELECT CAST({} AS uuid) AS id, CAST({} AS timestamptz) AS at"
    async with database.snapshot() as session:
        row = (await session.execute(text(statement.format(":id", ":at")), {"id": given, "at": now})).one()
    async with database.connection() as connection:
        raw = await connection.fetchrow(statement.format("$1", "$2"), given, now)
    for found in (row.id, raw["id"]):
        assert isinstance(found, UUID)
        assert found == given
    for at in (row.at, raw["at"]):
        assert at == now
        assert at.utcoffset() == timedelta(0)


async def test_programming_errors_are_not_hidden(database: Database) -> None:
    await add(database, 1)
    with pytest.raises(IntegrityError):
        await add(database, 1)
    with pytest.raises(ProgrammingError):
        async with database.transaction() as session:
            await session.execute(text("SELECT * FROM nowhere"))
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.connection() as connection:
            await connection.execute("INSERT INTO things (id) VALUES (1)")
    with pytest.raises(FileNotFoundError), translate_errors():
        raise FileNotFoundError("no such template")


async def test_a_lock_is_waited_for_a_bounded_time(quick: Database) -> None:
    await add(quick, 1)
    locked = text("SELECT id FROM things FOR UPDATE")
    async with quick.transaction() as holder:
        await holder.execute(locked)
        began = time.monotonic()

        async def wait() -> None:
            async with quick.transaction() as session:
                await session.execute(locked)

        await busy(wait())
        assert 0.15 < time.monotonic() - began < 4


async def test_a_statement_runs_a_bounded_time(quick: Database) -> None:
    async def run(hot: bool) -> None:
        if hot:
            async with quick.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")
        async with quick.transaction() as session:
            await session.execute(text("SELECT pg_sleep(30)"))

    began = time.monotonic()
    await busy(run(hot=False))
    await busy(run(hot=True))
    assert time.monotonic() - began < 10


async def test_an_exhausted_pool_is_busy(quick: Database) -> None:
    free = asyncio.Event()

    async def occupy(hot: bool) -> None:
        if hot:
            async with quick.connection():
                await free.wait()
        else:
            async with quick.transaction() as session:
                await session.execute(text("SELECT 1"))
                await free.wait()

    holders = [asyncio.create_task(occupy(hot)) for hot in (True, True, False, False)]
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await asyncio.gather(busy(add(quick, 1)), busy(quick.ping()))
    assert time.monotonic() - began < 4
    free.set()
    await asyncio.gather(*holders)
    await add(quick, 1)
    await quick.ping()


async def test_a_deadlock_is_busy_for_one_of_two(database: Database) -> None:
    await add(database, 1)
    await add(database, 2)
    lock = text("UPDATE things SET name = 'x' WHERE id = :id")
    both = asyncio.Barrier(2)

    async def cross(first: int, second: int) -> None:
        async with database.transaction() as session:
            await session.execute(lock, {"id": first})
            await both.wait()
            await session.execute(lock, {"id": second})

    outcomes = await asyncio.gather(cross(1, 2), cross(2, 1), return_exceptions=True)
    failed = [outcome for outcome in outcomes if outcome is not None]
    assert len(failed) == 1
    assert isinstance(failed[0], ServiceError)
    assert failed[0].code is MESH_BUSY


async def test_a_lost_connection_is_busy_and_replaced(database: Database) -> None:
    async def cut(kill: bool) -> None:
        async with database.transaction() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            if kill:
                async with database.connection() as other:
                    await other.execute("SELECT pg_terminate_backend($1)", pid)
            await session.execute(text("INSERT INTO things (id) VALUES (1)"))

    await busy(cut(kill=True))
    await cut(kill=False)
    assert await things(database) == [1]


async def test_a_server_that_stopped_responding_is_busy(quick: Database) -> None:
    pids: list[int] = []

    async def stuck() -> None:
        async with quick.connection() as connection:
            pids.append(await connection.fetchval("SELECT pg_backend_pid()"))
            os.kill(pids[0], signal.SIGSTOP)
            await connection.fetchval("SELECT 1")

    try:
        await busy(stuck())
    finally:
        os.kill(pids[0], signal.SIGCONT)
    await quick.ping()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_a_restart_of_postgres_is_survived(own_postgres: EmbeddedPostgres, number: int) -> None:
    database = await Database.open(own_postgres.admin_url, bounds=QUICK)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE things (id int PRIMARY KEY)"))
    outcomes: list[str] = []
    going = True

    async def knock(hot: bool) -> None:
        while going:
            try:
                if hot:
                    await database.ping()
                else:
                    await things(database)
                outcomes.append("ok")
            except ServiceError as error:
                outcomes.append(error.code.name)
            await asyncio.sleep(0.005)

    knockers = [asyncio.create_task(knock(hot)) for hot in (True, False)]
    await asyncio.sleep(0.2)
    assert own_postgres.child is not None and own_postgres.child.pid is not None
    os.kill(own_postgres.child.pid, number)
    await asyncio.sleep(1)
    await asyncio.gather(busy(add(database, 1)), busy(database.ping()))
    await asyncio.to_thread(own_postgres.start)
    await asyncio.to_thread(own_postgres.wait_ready)
    await asyncio.sleep(0.2)
    going = False
    await asyncio.gather(*knockers)
    assert set(outcomes) == {"ok", "mesh.busy"}
    await add(database, 2)
    await database.ping()
    assert await things(database) == [2]
    await database.close()


async def test_closed_idle_connections_are_replaced(own_postgres: EmbeddedPostgres) -> None:
    database = await Database.open(own_postgres.admin_url, bounds=DatabaseBounds(sessions=3, hot=3))
    await asyncio.gather(*(database.ping() for _ in range(3)))

    async def look() -> None:
        async with database.snapshot() as session:
            await session.execute(text("SELECT 1"))

    await asyncio.gather(*(look() for _ in range(3)))
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.start)
    await asyncio.to_thread(own_postgres.wait_ready)
    for _ in range(3):
        await look()
        await database.ping()
    await database.close()


async def test_opening_without_a_server_is_busy() -> None:
    await busy(Database.open("postgresql://nobody:x@127.0.0.1:1/none"))
