"""Units in memory: they run one after the other, so every lock is held by whoever runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from uuid import UUID

from apps.server.outbound.memory.channels import MemoryChannels
from apps.server.outbound.memory.invites import MemoryInvites
from apps.server.outbound.memory.members import MemoryMembers
from apps.server.outbound.memory.profiles import MemoryProfiles
from apps.server.outbound.memory.servers import MemoryServers
from apps.server.outbound.memory.state import State
from shared.contracts.base import Answer
from shared.contracts.event import EventType


class MemoryEvents:
    def __init__(self, state: State) -> None:
        self._state = state

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        self._state.events.append((kind, key, revision, deepcopy(data)))


class MemoryUnit:
    """`apps.server.ports.Unit` over a state."""

    def __init__(self, state: State) -> None:
        self.servers = MemoryServers(state)
        self.channels = MemoryChannels(state)
        self.members = MemoryMembers(state)
        self.invites = MemoryInvites(state)
        self.profiles = MemoryProfiles(state)
        self.events = MemoryEvents(state)


class MemoryUnits:
    """`apps.server.ports.Units` in memory."""

    def __init__(self) -> None:
        self.state = State()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryUnit]:
        async with self._turn:
            changed = self.state.copy()
            yield MemoryUnit(changed)
            self.state = changed

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MemoryUnit]:
        yield MemoryUnit(self.state.copy())
