"""Worlds of the contract suites: on the fakes, and on a real Postgres and a real S3."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from apps.file.outbound.dangling_files import SqlDanglingFiles
from apps.file.outbound.pending_thumbnails import SqlPendingThumbnails
from apps.file.outbound.storage import S3Storage
from apps.file.outbound.unit_of_work import sql_unit_of_work_factory
from shared.contracts.file import Upload
from shared.kit.clock import SystemIds
from shared.kit.database.database import Database
from shared.membership.adapters.projection import SqlMembershipStore
from tests.support.s3 import TestedS3, new_bucket, s3_at
from tests.unit.file.world import Adapters, MovedClock, World, memory


@pytest.fixture
async def storage(s3: TestedS3) -> AsyncIterator[S3Storage]:
    """An empty bucket."""
    storage = S3Storage(s3_at(s3, new_bucket()))
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
async def memory_world() -> World:
    """The service on the fakes."""
    world = World(memory())
    await world.begin()
    return world


@pytest.fixture
async def postgres_world(database: Database, storage: S3Storage) -> World:
    """The service on a real Postgres and a real S3."""
    world = World(adapters_of(database, storage))
    await world.begin()
    return world


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    """The service on the fakes, and on Postgres and S3."""
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world


def adapters_of(database: Database, storage: S3Storage) -> Adapters:
    """The real adapters."""
    clock = MovedClock()

    async def events() -> list[str]:
        async with database.snapshot() as session:
            return list((await session.execute(text("SELECT type FROM outbox ORDER BY id"))).scalars())

    async def rows() -> int:
        async with database.snapshot() as session:
            return int(await session.scalar(text("SELECT count(*) FROM files")))

    async def send(upload: Upload, body: bytes) -> int:
        headers = {**upload.headers, "Content-Length": str(len(body))}
        async with httpx.AsyncClient() as http:
            return (await http.request(upload.method, upload.url, headers=headers, content=body)).status_code

    async def read(url: str) -> bytes | None:
        async with httpx.AsyncClient() as http:
            answer = await http.get(url)
        return answer.content if answer.status_code == 200 else None

    return Adapters(
        units=sql_unit_of_work_factory(database, clock, SystemIds()),
        storage=storage,
        dangling=SqlDanglingFiles(database),
        pending=SqlPendingThumbnails(database),
        facts=SqlMembershipStore(database),
        clock=clock,
        events=events,
        rows=rows,
        send=send,
        read=read,
        objects=lambda: objects_of(storage),
    )


def objects_of(storage: S3Storage) -> list[str]:
    """Everything in the bucket, and every upload in parts that was not finished."""
    client, bucket = storage._client, storage._bucket
    there = [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", ())]
    begun = [found["Key"] for found in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]
    return sorted([*there, *begun])
