"""The file service without Kafka, on a real Postgres and a real S3."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text

from apps.file.outbound.storage import S3Storage
from apps.file.outbound.tables import metadata
from cli.embedded.databases import drop_database, ensure_database
from cli.embedded.s3 import EmbeddedS3
from shared.kit.database import Database
from shared.kit.migrate import migrate
from tests.services.file.world import World, s3_at


@pytest.fixture(scope="session")
def file_database_url(postgres_admin_url: str) -> Iterator[str]:
    """A database at head."""
    name, password = f"t_{secrets.token_hex(6)}", secrets.token_urlsafe(12)
    ensure_database(postgres_admin_url, name, password)
    url = f"postgresql://{name}:{password}@{postgres_admin_url.partition('@')[2].partition('/')[0]}/{name}"
    assert asyncio.run(migrate("file", url))
    yield url
    drop_database(postgres_admin_url, name)


@pytest.fixture
async def database(file_database_url: str) -> AsyncIterator[Database]:
    """Empty but for its tables."""
    database = await Database.open(file_database_url, application_name="concord file tests")
    async with database.transaction() as session:
        await session.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database, s3: EmbeddedS3) -> AsyncIterator[World]:
    """Ada and Ben in a channel, and an empty bucket."""
    storage = S3Storage(s3_at(s3, f"t-{secrets.token_hex(6)}"))
    await storage.open()
    await storage.open()  # again does nothing
    world = World(database, storage)
    await world.begin()
    yield world
    await storage.close()
