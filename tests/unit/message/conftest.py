"""The world in memory."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.message.world import World, memory


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The service over the twins."""
    outside, _ = memory()
    world = World(outside)
    yield world
    await world.queue.close()
