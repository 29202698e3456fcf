"""The world of unit tests: over the fakes, without infrastructure."""

import pytest

from tests.unit.auth.world import World, new_memory_world


@pytest.fixture
async def world() -> World:
    """Return a world over the fakes."""
    return await new_memory_world().begin()
