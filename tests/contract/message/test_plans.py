"""The hot statements probe indexes, also before Postgres has statistics of the tables."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from apps.message.outbound import history, send_batch
from apps.message.outbound import pool as pool_module
from apps.message.outbound.pool import ConnectionPool
from apps.message.outbound.tables import metadata
from cli.embedded.databases import run_sql
from migrations.runner import migrate
from shared.kit.database.database import Database
from tests.conftest import empty_database

FILL = """
    INSERT INTO messages
        (channel_id, sequence, id, profile_id, server_id, content, request_key, nonce, created_at)
    SELECT md5((n % 5)::text)::uuid, n, gen_random_uuid(), md5((n % 2)::text)::uuid, gen_random_uuid(),
           'hello', n::text, n::text, now()
    FROM generate_series(1, 20000) AS n
"""
"""Few authors with many messages: a probe by channel and author alone would read all of theirs."""
STATEMENTS = {
    "lock": (send_batch._LOCK, 1, {"channels_pkey"}),
    "lock skipping": (send_batch._LOCK_SKIPPING, 1, {"channels_pkey"}),
    "prior states": (send_batch._PRIOR_STATES, 5, {"members_pkey", "messages_request", "messages_nonce"}),
    "find": (send_batch._FIND, 2, {"messages_pkey"}),
    "add": (send_batch._ADD, 22, {"channels_pkey"}),
    "newest": (history._NEWEST, 3, {"channels_pkey", "members_pkey", "messages_pkey"}),
    "around": (history._AROUND_ANCHOR, 5, {"channels_pkey", "members_pkey", "messages_id", "messages_pkey"}),
}


@pytest.fixture(scope="module")
def filled_url(postgres_admin_url: str) -> Iterator[str]:
    """Return a database of its own without autovacuum: statistics of other tests would stay."""
    with empty_database(postgres_admin_url) as url:
        assert asyncio.run(migrate("message", url))
        for table in metadata.tables:
            run_sql(url, f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        run_sql(url, FILL)
        yield url


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[Database]:
    database = await Database.open(filled_url)
    yield database
    await database.close()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_each_statement_probes_indexes(filled: Database, name: str) -> None:
    statement, parameters, indexes = STATEMENTS[name]
    pool = ConnectionPool(filled, 1)
    await pool.open()
    async with pool.connection() as connection:
        await connection.execute(f"PREPARE hot AS {statement}")
        nulls = ", ".join(["NULL"] * parameters)
        lines = [row[0] for row in await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE hot ({nulls})")]
    await pool.close()
    used = {line.split(" using ")[1].split()[0] for line in lines if " using " in line}
    assert used == indexes
    assert not [line for line in lines if "Seq Scan" in line or "Bitmap" in line]


async def test_old_plans_are_discarded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ConnectionPool(database, 1)
    await pool.open()
    queries: list[str] = []
    async with pool.connection() as connection:
        connection.add_query_logger(lambda record: queries.append(record.query))
    async with pool.connection():
        await asyncio.sleep(0.01)
        assert queries == []
    monkeypatch.setattr(pool_module, "_PLAN_LIFE_S", 0.0)
    async with pool.connection():
        await asyncio.sleep(0.01)
        assert queries == ["DISCARD PLANS"]
    await pool.close()
