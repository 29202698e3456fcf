"""Sends while the database fails or rejects data."""

import pytest

from shared.kit.clock import now_ms
from tests.unit.message.faults import FailingCommits, RejectingBadContent, busy_times
from tests.unit.message.world import World, ask, contents, refused


async def test_a_rejected_row_fails_alone(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    world.use_send_units(RejectingBadContent(world.outside.send_units))
    batch = [ask(channel, ada, "bad" if n in (2, 3, 8) else f"{n}") for n in range(10)]
    assert contents(await world.send_all(batch)) == [
        *("1 0", "2 1", "internal.error", "internal.error", "3 4", "4 5", "5 6", "6 7"),
        *("internal.error", "7 9"),
    ]


@pytest.mark.parametrize("times", [1, 3])
async def test_a_lost_connection_loses_nothing(world: World, times: int) -> None:
    channel, ada = await world.channel(), await world.member()
    world.use_send_units(FailingCommits(world.outside.send_units, before=busy_times(times)))
    assert contents(await world.send_all([ask(channel, ada, "a"), ask(channel, ada, "b")])) == ["1 a", "2 b"]


@pytest.mark.parametrize("times", [1, 3])
async def test_a_lost_commit_doubles_nothing(world: World, times: int) -> None:
    channel, ada = await world.channel(), await world.member()
    world.use_send_units(FailingCommits(world.outside.send_units, after=busy_times(times)))
    outcomes = await world.send_all([ask(channel, ada, "a", nonce="n"), ask(channel, ada, "b")])
    assert contents(outcomes) == ["1 a", "2 b"]
    assert [outcome.status for outcome in outcomes] == [201, 201]  # type: ignore[union-attr]
    assert len(await world.events()) == 2


async def test_a_database_that_stays_away_is_busy(world: World) -> None:
    channel, ada = await world.channel(), await world.member()
    world.use_send_units(FailingCommits(world.outside.send_units, before=busy_times(99)))
    assert await refused(world.send(channel, ada)) == "mesh.busy"
    assert await refused(world.send(channel, ada, deadline_ms=now_ms() + 5)) == "mesh.busy"
