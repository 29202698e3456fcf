"""The world of unit tests: over the fakes, without infrastructure."""

import pytest

from tests.unit.server.world import World, new_memory_world


@pytest.fixture
def world() -> World:
    """Return a world over the fakes."""
    return new_memory_world()
