"""A database of the first revision, with files in every state, goes on at the newest one."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from apps.file.domain.files import Usage
from apps.file.outbound.storage import S3Storage
from migrations.runner import migrate
from shared.contracts.file import FILE_CREATE, CreateFile, File, FileStatus, NewFile, Upload
from shared.kit.clock import SystemIds, now_ms
from shared.kit.database.database import Database
from shared.kit.database.idempotency import run_once
from shared.kit.wire.call import Call, Reply
from tests.contract.file.conftest import adapters_of
from tests.integration.kit.stairs import to_revision
from tests.unit.file.world import EXPIRED, WRITES_END, World

IDS = SystemIds()
ADD = """
    INSERT INTO files (id, channel_id, server_id, profile_id, name, size, content_type, status, revision,
        created_at, upload_until, deleted_at, purged_at)
    VALUES ($1, $2, $3, $4, 'tea.txt', 3, 'text/plain', $5, 1, $6, $7, $8, $9)
"""


class Before:
    """The database as the first revision left it."""

    def __init__(self, connection: asyncpg.Connection, world: World) -> None:
        self._connection = connection
        self._world = world
        self.now = world.clock.now()

    async def add(
        self, status: str, until_s: int | None, deleted_s: int | None = None, purged_s: int | None = None
    ) -> UUID:
        """A file with these times, in seconds from now."""

        def at(seconds: int | None) -> datetime | None:
            return None if seconds is None else self.now + timedelta(seconds=seconds)

        world, file_id = self._world, IDS.new()
        row = (file_id, world.channel, world.server.id, world.ada, status, self.now)
        await self._connection.execute(ADD, *row, at(until_s), at(deleted_s), at(purged_s))
        return file_id

    async def charge(self, files: int) -> None:
        """Deleted ones counted no longer."""
        charged = (self._world.ada, 3 * files, files)
        await self._connection.execute(
            "INSERT INTO usage (profile_id, size, files) VALUES ($1, $2, $3)", *charged
        )


@pytest.fixture
async def old(database_url: Callable[[], str]) -> AsyncIterator[str]:
    url = database_url()
    await to_revision("file", url, "0001")
    yield url


async def test_what_was_deleted_or_awaited_goes_and_nothing_counts_twice(
    old: str, storage: S3Storage
) -> None:
    connection = await asyncpg.connect(old)
    database = await Database.open(old, application_name="concord file tests")
    world = World(adapters_of(database, storage))
    await world.begin()
    before = Before(connection, world)
    kept = [await before.add("COMPLETE", None), await before.add("COMPLETE", 60)]
    waits, late = await before.add("PENDING", 60), await before.add("PENDING", -60)
    gone = [
        await before.add("COMPLETE", None, -60),
        await before.add("COMPLETE", 60, -60, -30),
        await before.add("PENDING", -90, -60),
        await before.add("PENDING", 60, -60, -30),
    ]
    await before.charge(4)
    for file_id in (*kept, waits, late, *gone):
        await storage.put(f"uploads/{file_id}", b"tea", "text/plain")
        await storage.put(f"files/{file_id}", b"tea", "text/plain")
    await connection.close()
    assert await migrate("file", old)
    await world.sweep()
    assert await world.usage() == Usage(9, 3)
    await world.delete(kept[0])
    for passed in (EXPIRED, WRITES_END, WRITES_END):
        await world.pass_by(passed)
    assert await world.left() == (Usage(3, 1), 1, [f"files/{kept[1]}"])
    await database.close()


async def test_back_at_the_first_revision_nothing_counts_for_ever(old: str, storage: S3Storage) -> None:
    """There a deletion releases the quota at once."""
    await migrate("file", old)
    database = await Database.open(old, application_name="concord file tests")
    world = World(adapters_of(database, storage))
    await world.begin()
    await world.share()
    await world.delete((await world.create()).file.id)
    assert await world.usage() == Usage(6, 2)
    await to_revision("file", old, "0001", down=True)
    assert await world.usage() == Usage(3, 1)
    await database.close()


async def test_an_announcement_of_before_is_answered_again(old: str) -> None:
    """Stored answers had a URL in them; now they are files."""
    request = CreateFile(
        channel_id=IDS.new(), profile_id=IDS.new(), name="tea.txt", size=3, content_type="text/plain"
    )
    call = Call(
        operation=FILE_CREATE,
        correlation_id="the correlation id",
        call_id="the call",
        deadline_ms=now_ms() + 10_000,
        idempotency_key="POST /api/files key",
        body=msgspec.json.encode(request),
    )
    file = File(
        id=IDS.new(),
        channel_id=request.channel_id,
        profile_id=request.profile_id,
        name=request.name,
        size=3,
        content_type=request.content_type,
        status=FileStatus.PENDING,
        created_at=datetime.now().astimezone(),
    )
    upload = Upload(method="PUT", url="https://s3?X-Amz-Signature=1", headers={}, expires_at=file.created_at)
    answered = Reply(status=201, body=msgspec.json.encode(NewFile(file=file, upload=upload)))
    database = await Database.open(old, application_name="concord file tests")

    async def answer(session: Any) -> Reply:
        return answered

    await run_once(database, call, request.profile_id, answer)
    await migrate("file", old)
    again = await run_once(database, call, request.profile_id, answer)
    assert isinstance(again, Reply)
    assert isinstance(again.body, bytes)
    assert b"Signature" not in again.body
    assert msgspec.json.decode(again.body, type=File) == file
    await database.close()
