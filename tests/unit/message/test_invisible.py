"""Many requests at once for channels that the caller cannot see: each gets an error, none blocks."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from tests.unit.membership.yielding_clock import YieldingClock
from tests.unit.message.world import IDS, World, memory, refused

TURNS = 60
"""Turns of the event loop over which the requests come."""


async def test_requests_for_invisible_channels_are_refused() -> None:
    world = _world()
    hidden = [world.server.add_channel()[0] for _ in range(2)]
    assert await _codes(world, [*hidden, IDS.new()], IDS.new()) == {"channel.not_found"}


async def test_requests_of_a_kicked_member_are_refused() -> None:
    world = _world()
    channel, eve = await world.channel(), await world.member()
    await world.send(channel, eve)
    await world.on_server_event(world.server.kick(eve))
    assert await _codes(world, [channel], eve) == {"channel.not_found"}


def _world() -> World:
    outside, _ = memory()
    outside.clock = YieldingClock()
    return World(outside)


async def _codes(world: World, channels: list[UUID], profile_id: UUID) -> set[str]:
    """Return the error codes of sends and reads that begin at every turn of the event loop."""

    async def after(turns: int, request: Coroutine[Any, Any, Any]) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await refused(request)

    async with asyncio.timeout(20):
        return set(
            await asyncio.gather(
                *(
                    after(turns, request)
                    for turns in range(TURNS)
                    for channel in channels
                    for request in (world.history(channel, profile_id), world.send(channel, profile_id))
                )
            )
        )
