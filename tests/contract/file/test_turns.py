"""A person who uploads thousands of images does not hold up others."""

import re
from datetime import UTC, datetime, timedelta
from typing import IO
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import asyncpg

from apps.file.domain.files import FileRecord
from apps.file.domain.keys import file_key
from apps.file.domain.thumbnails import TRIES_MAX
from apps.file.outbound.pending_thumbnails import due_query
from apps.file.usecases.make_thumbnails import BATCH_SIZE, BATCHES_MAX, MakeThumbnails
from shared.contracts.file import File, FileStatus
from shared.kit.database.database import Database
from tests.fakes.file.storage import MemoryStorage
from tests.unit.file.world import IDS, World

MANY = 500


class Shelf(MemoryStorage):
    """Has every image; notes which were asked for."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self.fetched: list[str] = []

    async def download(self, key: str, target: IO[bytes]) -> bool:
        self.fetched.append(key)
        return True


def image_of(world: World, person: UUID) -> FileRecord:
    """Complete, and nobody has looked at it."""
    file = File(
        id=IDS.new(),
        channel_id=world.channel,
        profile_id=person,
        name="tea.png",
        size=3,
        content_type="image/png",
        status=FileStatus.COMPLETE,
        created_at=world.clock.now(),
    )
    return FileRecord(file=file, server_id=world.server.id)


async def add(world: World, *images: FileRecord) -> None:
    async with world.adapters.units.transaction() as unit:
        for image in images:
            await unit.add(image)
            await unit.update(image)  # tries too


async def due(world: World, size: int = BATCH_SIZE) -> list[FileRecord]:
    return await world.adapters.pending.due(world.clock.now(), size)


async def test_one_image_does_not_wait_for_the_many_of_another(world: World) -> None:
    many = [image_of(world, world.ada) for _ in range(MANY)]
    await add(world, *many)
    late = image_of(world, world.ben)
    await add(world, late)
    page = await due(world)
    assert late in page[:2]
    page.remove(late)
    assert page == many[: len(page)]  # hers in their order
    assert len(page) >= BATCH_SIZE // 2 - 1


async def test_so_it_is_made_among_the_first(world: World) -> None:
    await add(world, *(image_of(world, world.ada) for _ in range(MANY)))
    late = image_of(world, world.ben)
    await add(world, late)
    shelf = Shelf(world)
    making = MakeThumbnails(world.adapters.units, shelf, world.renderer, world.clock, 1000)
    tried = await making.make_due(world.adapters.pending)
    assert BATCH_SIZE * (BATCHES_MAX - 1) < tried <= BATCH_SIZE * BATCHES_MAX
    assert len(shelf.fetched) == len(set(shelf.fetched)) == tried
    assert file_key(late.file.id) in shelf.fetched[:BATCH_SIZE]


async def test_everybody_comes_up_before_anybody_comes_up_again(world: World) -> None:
    people = [IDS.new() for _ in range(40)]
    for person in people:
        await add(world, *(image_of(world, person) for _ in range(3)))
    pages = [await due(world) for _ in range(5)]
    order = [image.file.profile_id for page in pages for image in page]
    assert order == people * 2
    await add(world, image_of(world, newcomer := IDS.new()))
    pages = [await due(world) for _ in range(3)]
    assert newcomer in [image.file.profile_id for page in pages for image in page]


async def test_a_page_is_filled_by_those_who_have_more(world: World) -> None:
    few, many = image_of(world, world.ben), [image_of(world, world.ada) for _ in range(20)]
    await add(world, few, *many)
    assert len(await due(world)) == BATCH_SIZE
    async with world.adapters.units.transaction() as unit:
        await unit.update(replace(few, thumbnails=False))
    assert await due(world) == many[:BATCH_SIZE]
    assert len(await due(world, 100)) == 20


async def test_who_has_waited_longest_is_first_and_who_has_to_wait_is_not_there(world: World) -> None:
    now = world.clock.now()
    ago, later = now - timedelta(minutes=1), now + timedelta(minutes=1)
    fresh, again, not_yet, given_up, decided, deleted = (image_of(world, world.ada) for _ in range(6))
    await add(
        world,
        fresh,
        again := replace(again, thumbnail_tries=1, thumbnails_after=ago),
        replace(not_yet, thumbnail_tries=1, thumbnails_after=later),
        replace(given_up, thumbnail_tries=TRIES_MAX, thumbnails_after=ago),
        replace(decided, thumbnails=True),
        deleted,
    )
    async with world.adapters.units.transaction() as unit:
        await unit.mark_deleted(deleted, "call", now)
    await world.create(content_type="image/png")  # announced only
    assert await due(world) == [again, fresh]
    world.clock.ahead = timedelta(minutes=2)
    assert [image.file.id for image in await due(world)] == [again.file.id, fresh.file.id, not_yet.file.id]


FILL = """
    INSERT INTO files (id, channel_id, server_id, profile_id, name, size, content_type, status, revision,
        charged, created_at, thumbnails_after, thumbnail_tries)
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), md5((n % 3)::text)::uuid, 'tea', 3,
        'image/png', CASE WHEN n % 10 = 0 THEN 'COMPLETE' ELSE 'PENDING' END, 1, true,
        now() - interval '1 hour', CASE WHEN n % 20 = 0 THEN now() + interval '1 hour' END, 0
    FROM generate_series(1, 20000) AS n
"""
"""A tenth is pending, of three owners; half of that has to wait."""


async def test_only_pending_files_are_scanned(database: Database) -> None:
    query = due_query(datetime.now(UTC), BATCH_SIZE, UUID(int=0))
    statement = str(query.compile(dialect=asyncpg.dialect(), compile_kwargs={"literal_binds": True}))
    async with database.transaction() as session:
        await session.execute(text(FILL))
        await session.execute(text("ANALYZE files"))
        explain = text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement.replace(':', chr(92) + ':')}")
        plan = "\n".join((await session.execute(explain)).scalars())
    assert plan.count("files_to_paint") == 1, plan
    assert "Seq Scan" not in plan, plan
    assert all(int(rows) <= 1000 for rows in re.findall(r"Rows Removed by .*: (\d+)", plan)), plan
