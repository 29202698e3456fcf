"""The service on the fakes."""

import pytest

from tests.unit.file.world import World, memory


@pytest.fixture
async def world() -> World:
    """The service on the fakes."""
    world = World(memory())
    await world.begin()
    return world
