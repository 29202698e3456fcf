"""`apps.server.ports.Servers` in memory."""

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from uuid import UUID

from apps.server.domain.members import MemberRecord, Membership
from apps.server.domain.servers import ServerRecord
from shared.contracts.paging import Cursor
from tests.fakes.server.state import State, page_of


class MemoryServers:
    """The servers of a state."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, server: ServerRecord) -> None:
        self._state.servers[server.id] = deepcopy(server)

    async def lock(self, server_id: UUID) -> ServerRecord | None:
        return await self.get(server_id)

    async def get(self, server_id: UUID) -> ServerRecord | None:
        return deepcopy(self._state.servers[server_id]) if self._state.alive(server_id) else None

    async def save(self, server: ServerRecord) -> None:
        self._state.servers[server.id] = deepcopy(server)

    async def remove(self, server_id: UUID, now: datetime) -> None:
        self._state.deleted[server_id] = now

    async def exists(self, server_id: UUID) -> bool:
        return self._state.alive(server_id)

    async def id_of_code(self, code: str) -> UUID | None:
        ids = (row.id for row in self._state.servers.values() if row.invite_code == code)
        server_id = next(ids, None)
        return server_id if server_id and self._state.alive(server_id) else None

    async def of_member(self, server_id: UUID, profile_id: UUID) -> Membership | None:
        member = self._state.members.get((server_id, profile_id))
        return self._membership(member) if member and self._state.alive(server_id) else None

    async def page(self, profile_id: UUID, after: Cursor | None, limit: int) -> Sequence[Membership]:
        mine = [
            self._membership(row)
            for row in self._state.members.values()
            if row.profile_id == profile_id and self._state.alive(row.server_id)
        ]
        return page_of(mine, lambda row: Cursor(row.joined_at, row.server.id), after, limit)

    async def purge(self, rows_max: int) -> int:
        state = self._state
        if not state.deleted:
            return 0
        server_id = min(state.deleted, key=state.deleted.__getitem__)
        tables: tuple[dict[object, object], ...] = (state.members, state.invites, state.channels)  # type: ignore[assignment]
        for table in tables:
            keys = [key for key, row in table.items() if getattr(row, "server_id", None) == server_id]
            for key in keys[:rows_max]:
                del table[key]
            if keys:
                return min(len(keys), rows_max)
        del state.servers[server_id], state.deleted[server_id]
        return 1

    def _membership(self, member: MemberRecord) -> Membership:
        return Membership(deepcopy(self._state.servers[member.server_id]), member.role, member.joined_at)
