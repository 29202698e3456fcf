"""A migrated database of each service for the session, emptied before each test of that service."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from sqlalchemy import text

from migrations.runner import migrate, service_metadata
from shared.kit.database.database import Database
from tests.conftest import empty_database


@pytest.fixture(scope="session")
def url_at_head(postgres_admin_url: str) -> Iterator[Callable[[str], str]]:
    """Yield a function that returns the URL of a service's database at the head revision."""
    with ExitStack() as databases:

        @cache
        def url(service: str) -> str:
            empty_url = databases.enter_context(empty_database(postgres_admin_url))
            assert asyncio.run(migrate(service, empty_url))
            return empty_url

        yield url


@pytest.fixture
def service_url(request: pytest.FixtureRequest, url_at_head: Callable[[str], str]) -> str:
    """Return the URL for the service that the test's folder is named after."""
    return url_at_head(request.path.parent.name)


@pytest.fixture
async def database(request: pytest.FixtureRequest, service_url: str) -> AsyncIterator[Database]:
    """Yield the service's database with empty tables."""
    service = request.path.parent.name
    database = await Database.open(service_url, application_name=f"concord {service} tests")
    async with database.transaction() as session:
        tables = service_metadata(service).tables
        await session.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY"))
    yield database
    await database.close()
