"""The world in memory."""

import pytest

from tests.unit.file.world import World, memory


@pytest.fixture
async def world() -> World:
    """The service over the twins."""
    world = World(memory())
    await world.begin()
    return world
