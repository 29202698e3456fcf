"""The world of the in-memory twins."""

import msgspec
import pytest

from tests.fakes.auth.adapters import MemoryKeys, MemoryUnitOfWorkFactory
from tests.unit.auth.world import Told, World


@pytest.fixture
async def world() -> World:
    """A world without infrastructure."""
    return await memory_world().begin()


def memory_world() -> World:
    """A world that has not begun."""
    units = MemoryUnitOfWorkFactory()

    async def told() -> list[Told]:
        return [
            Told(event.kind.name, event.key, event.revision, msgspec.to_builtins(event.data))
            for event in units.rows.events
        ]

    return World(units, told, MemoryKeys(), MemoryKeys(), reader=units, attic=units)
