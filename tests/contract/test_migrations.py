"""Migrations of every service: each revision up and down, and the schema of the models at the head."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import MetaData

import migrations
from migrations.runner import head_of, migrate, service_metadata
from shared.contracts.catalogue import SERVICES
from shared.kit.database.idempotency import requests_table
from shared.kit.outbox.outbox import outbox_tables
from tests.integration.kit.stairs import differences, walk_stairs

ROOT = Path(migrations.__file__).parent
MIGRATED = [service for service in SERVICES if head_of(service) is not None]


@pytest.mark.parametrize("service", MIGRATED)
async def test_every_revision_goes_up_and_down(service: str, database_url: Callable[[], str]) -> None:
    assert await walk_stairs(service, database_url()) == int(head_of(service) or 0)


@pytest.mark.parametrize("service", MIGRATED)
async def test_the_models_are_the_migrated_schema(service: str, database_url: Callable[[], str]) -> None:
    url = database_url()
    assert await migrate(service, url)
    assert await differences(service, url) == []
    assert not await migrate(service, url)


@pytest.mark.parametrize("service", MIGRATED)
async def test_concurrent_migrations_run_once(service: str, database_url: Callable[[], str]) -> None:
    url = database_url()
    assert sorted(await asyncio.gather(*(migrate(service, url) for _ in range(4)))) == [False] * 3 + [True]


@pytest.mark.parametrize("service", MIGRATED)
def test_revisions_are_numbered_without_gaps(service: str) -> None:
    files = sorted(path.name for path in (ROOT / service).glob("*.py") if path.name != "__init__.py")
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.py", name) for name in files), files
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))


@pytest.mark.parametrize("service", MIGRATED)
async def test_the_outbox_is_vacuumed_by_the_row(service: str, database_url: Callable[[], str]) -> None:
    url = database_url()
    await migrate(service, url)
    connection = await asyncpg.connect(url)
    options = await connection.fetchval("SELECT reloptions FROM pg_class WHERE relname = 'outbox'")
    await connection.close()
    assert "autovacuum_vacuum_scale_factor=0" in options
    assert "autovacuum_vacuum_threshold=1000" in options


@pytest.mark.parametrize("service", MIGRATED)
def test_the_models_include_the_tables_of_the_kit(service: str) -> None:
    kit = MetaData()
    outbox_tables(kit)
    if service == "server":
        requests_table(kit)
    assert set(kit.tables) <= set(service_metadata(service).tables)


async def test_a_service_without_migrations_is_skipped() -> None:
    assert head_of("nobody") is None
    assert not await migrate("nobody", "postgresql://nobody:x@127.0.0.1:1/none")
