"""The same behaviour on Postgres and S3 as in memory, and over a restart."""

from apps.file.outbound.storage import S3Storage
from shared.kit.clock import SystemClock
from shared.kit.database.database import Database
from shared.kit.database.idempotency import sweep_requests
from tests.contract.file.conftest import outside_of
from tests.unit.file.test_repeating import *  # noqa: F403
from tests.unit.file.test_repeating import tea, waiting
from tests.unit.file.world import World, refused


async def test_keys_are_known_to_a_process_that_starts_later(
    world: World, database: Database, storage: S3Storage
) -> None:
    first, file = await world.receive(tea(world), key="k"), await waiting(world)
    done = await world.complete(file.id, key="k2")
    await world.delete(file.id)
    later = World(outside_of(database, storage))
    later.ada, later.channel = world.ada, world.channel
    assert await sweep_requests(database, SystemClock()) == 0
    assert await later.receive(tea(later), key="k") == first
    assert await later.complete(file.id, key="k2") == done
    assert await refused(later.receive(tea(later, b"other tea"), key="k")) == "idempotency.mismatch"
