"""Units in memory: they run one after the other, so every lock is held by whoever runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from uuid import UUID

from shared.contracts.base import Answer
from shared.contracts.event import EventType
from tests.fakes.server.channels import MemoryChannels
from tests.fakes.server.invites import MemoryInvites
from tests.fakes.server.members import MemoryMembers
from tests.fakes.server.profiles import MemoryProfiles
from tests.fakes.server.servers import MemoryServers
from tests.fakes.server.state import State


class MemoryEvents:
    def __init__(self, state: State) -> None:
        self._state = state

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        self._state.events.append((kind, key, revision, deepcopy(data)))


class MemoryUnitOfWork:
    """`apps.server.ports.UnitOfWork` over a state."""

    def __init__(self, state: State) -> None:
        self.servers = MemoryServers(state)
        self.channels = MemoryChannels(state)
        self.members = MemoryMembers(state)
        self.invites = MemoryInvites(state)
        self.profiles = MemoryProfiles(state)
        self.events = MemoryEvents(state)


class MemoryUnitOfWorkFactory:
    """`apps.server.ports.UnitOfWorkFactory` in memory."""

    def __init__(self) -> None:
        self.state = State()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryUnitOfWork]:
        async with self._turn:
            changed = self.state.copy()
            yield MemoryUnitOfWork(changed)
            self.state = changed

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MemoryUnitOfWork]:
        yield MemoryUnitOfWork(self.state.copy())
