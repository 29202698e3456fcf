"""The world in memory."""

import pytest

from tests.unit.server.world import World, memory_world


@pytest.fixture
def world() -> World:
    return memory_world()
