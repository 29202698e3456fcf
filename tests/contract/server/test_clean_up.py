"""Clean-up deletes invisible rows in batches, and nothing else."""

import pytest

from apps.server.domain.invites import INVITE_RETENTION
from apps.server.usecases import clean_up
from apps.server.usecases.clean_up import purge_deleted, sweep_invites
from shared.contracts import errors
from shared.contracts import server as ops
from tests.unit.server.world import World, refused


async def test_purging_takes_the_deleted_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_up, "ROWS_MAX", 2)
    gone, stays = await world.server(), await world.server()
    for server in (gone, stays):
        for _ in range(2):
            await world.channel(server)
            await world.join(server)
            await world.invite(server)
    assert await purge_deleted(world.units) == 0
    await world.call(ops.DELETE_SERVER, server_id=gone.id, profile_id=gone.profile_id)
    assert await purge_deleted(world.units) == 1 + 3 + 3 + 2
    assert await purge_deleted(world.units) == 0
    assert len((await world.get(stays)).channels) == 3
    listed = await world.call(ops.MEMBER_LIST, server_id=stays.id, profile_id=stays.profile_id)
    assert len(listed.items) == 3
    invites = await world.call(ops.INVITE_LIST, server_id=stays.id, profile_id=stays.profile_id)
    assert len(invites.items) == 2


async def test_one_run_is_bounded_and_the_next_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_up, "ROWS_MAX", 2)
    monkeypatch.setattr(clean_up, "BATCHES_MAX", 2)
    server = await world.server()
    for _ in range(5):
        await world.join(server)
    await world.call(ops.DELETE_SERVER, server_id=server.id, profile_id=server.profile_id)
    runs = [await purge_deleted(world.units) for _ in range(4)]
    assert runs == [4, 3, 1, 0]  # four members; two members and the channel; the server


async def test_spent_invites_are_remembered_for_30_days(world: World) -> None:
    server = await world.server()
    brief = await world.invite(server, max_age_s=60)
    once = await world.invite(server, max_uses=1)
    await world.invite(server, max_uses=2)
    world.clock.move(seconds=60)
    await world.call(ops.INVITE_ACCEPT, code=once.code, profile_id=world.person())
    world.clock.time += INVITE_RETENTION
    world.clock.move(seconds=-0.001)
    assert await sweep_invites(world.units, world.clock) == 0
    for code in (brief.code, once.code):
        with refused(errors.INVITE_EXPIRED):
            await world.call(ops.INVITE_GET, code=code, profile_id=world.person())
    world.clock.move(seconds=0.001)
    assert await sweep_invites(world.units, world.clock) == 2
    for code in (brief.code, once.code):
        with refused(errors.INVITE_NOT_FOUND):
            await world.call(ops.INVITE_GET, code=code, profile_id=world.person())
    page = await world.call(ops.INVITE_LIST, server_id=server.id, profile_id=server.profile_id)
    assert len(page.items) == 1
