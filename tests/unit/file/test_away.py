"""While S3 does not answer, or refuses to delete an object, no row is lost and the rest goes on."""

from collections.abc import Sequence

import pytest

from apps.file.usecases import sweep
from shared.contracts.errors import MESH_BUSY
from tests.fakes.file.storage import MemoryStorage
from tests.unit.file.world import EXPIRED, NOTHING, WRITES_END, Form, World, refused


@pytest.fixture
async def storage(world: World) -> MemoryStorage:
    assert isinstance(world.storage, MemoryStorage)
    return world.storage


async def test_nothing_is_forgotten_while_s3_is_away(world: World, storage: MemoryStorage) -> None:
    file, made = await world.share(), await world.create()
    await world.delete(file.id)
    storage.away = True
    assert await refused(world.sweep()) == "mesh.busy"
    assert await refused(world.complete(made.file.id)) == "mesh.busy"
    assert await refused(world.receive(Form(world.channel, b"tea"))) == "mesh.busy"
    assert (await world.create()).upload.url  # addresses need no S3
    storage.away = False
    await world.sweep()  # at once, not when a claim has run out
    assert world.adapters.objects() == []
    await world.pass_by(EXPIRED)
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING


async def test_what_was_done_before_s3_went_away_stays_done(
    world: World, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PURGE_BATCH_FILES", 2)
    for file in [await world.share() for _ in range(6)]:
        await world.delete(file.id)
    remove, calls = storage.delete, 0

    async def once(keys: Sequence[str]) -> frozenset[str]:
        nonlocal calls
        calls += 1
        storage.away = calls > 1
        return await remove(keys)

    monkeypatch.setattr(storage, "delete", once)
    assert await refused(world.sweep()) == "mesh.busy"
    assert len(storage.objects) == 4 * 2
    storage.away = False
    now = world.clock.now()
    again = await world.adapters.dangling.claim(now, now, 10)
    assert {f"files/{leftover.file_id}" for leftover in again} == storage.objects.keys() - {
        f"uploads/{leftover.file_id}" for leftover in again
    }


async def test_one_key_that_can_not_be_deleted_holds_nobody_up(world: World, storage: MemoryStorage) -> None:
    stuck, other = await world.share(), await world.share()
    storage.stuck = {f"files/{stuck.id}"}
    for file in (stuck, other):
        await world.delete(file.id)
    await world.pass_by(EXPIRED)
    await world.pass_by(WRITES_END)
    assert (await world.adapters.rows(), world.adapters.objects()) == (1, [f"files/{stuck.id}"])
    storage.stuck = set()
    await world.pass_by(WRITES_END)
    assert await world.left() == NOTHING


async def test_parts_that_can_not_be_dropped_hold_nobody_up(
    world: World, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failing one is tried again when its claim expires; the others in the next run."""
    made = [await world.create() for _ in range(3)]
    for new in made:
        await world.delete(new.file.id)
        await storage.put(f"files/{new.file.id}", b"tea", "text/plain")
    stuck = f"files/{made[0].file.id}"
    drop_parts = storage.abort_uploads

    async def drop(key: str) -> None:
        if key == stuck:
            raise MESH_BUSY.exception("The parts are stuck.")
        await drop_parts(key)

    with monkeypatch.context() as broken:
        broken.setattr(storage, "abort_uploads", drop)
        assert await refused(world.sweep()) == "mesh.busy"
        await world.sweep()
        assert world.adapters.objects() == [stuck]
    await world.pass_by(sweep.CLAIM_TTL)
    assert world.adapters.objects() == []
