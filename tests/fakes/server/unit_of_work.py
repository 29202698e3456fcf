"""The unit of work in memory: transactions run one at a time, so each holds every lock."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any
from uuid import UUID

from apps.server.ports import UnitOfWork
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.kit.wire.call import Call
from tests.fakes.server.channels import MemoryChannels
from tests.fakes.server.invites import MemoryInvites
from tests.fakes.server.members import MemoryMembers
from tests.fakes.server.profiles import MemoryProfiles
from tests.fakes.server.servers import MemoryServers
from tests.fakes.server.state import State


class MemoryEvents:
    """Records the events of a transaction."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        self._state.events.append((event_type, key, revision, deepcopy(data)))


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
            working_copy = self.state.copy()
            yield MemoryUnitOfWork(working_copy)
            self.state = working_copy

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MemoryUnitOfWork]:
        yield MemoryUnitOfWork(self.state.copy())

    async def run_once(
        self, call: Call, profile_id: UUID, work: Callable[[UnitOfWork], Awaitable[Any]]
    ) -> Any:
        """Do the work in a transaction; responses are stored in Postgres only."""
        async with self.transaction() as unit:
            return await work(unit)
