"""A database with the kit's own tables, and servers that a test may kill."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from cli.embedded.ports import free_port
from cli.embedded.postgres import EmbeddedPostgres
from shared.kit.database import Database
from tests.kit.facts import make_tables


@pytest.fixture
async def facts_url(database_url: Callable[[], str]) -> str:
    """A database with outbox, ledger and one table `things (id int primary key, name text)`."""
    url = database_url()
    await make_tables(url)
    return url


@pytest.fixture
async def database(facts_url: str) -> AsyncIterator[Database]:
    """That database, open."""
    opened = await Database.open(facts_url)
    yield opened
    await opened.close()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres of the test's own, to be killed and restarted."""
    postgres = EmbeddedPostgres(
        tmp_path / "postgres", free_port(), tmp_path / "postgres.log", {"fsync": "off"}
    )
    try:
        postgres.start()
        postgres.wait_ready()
        yield postgres
    finally:
        postgres.stop()
