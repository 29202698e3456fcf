"""`apps.server.ports.Members` in memory."""

from collections.abc import Sequence
from copy import deepcopy
from uuid import UUID

from apps.server.domain.members import MemberRecord
from shared.contracts.paging import Cursor
from tests.fakes.server.state import State, page_of


class MemoryMembers:
    """The members of a state."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def lock_profile(self, profile_id: UUID) -> None:
        """Do nothing: transactions in memory run one at a time."""

    async def count_of(self, profile_id: UUID) -> int:
        return sum(row.profile_id == profile_id for row in self._live())

    async def add(self, member: MemberRecord) -> None:
        self._state.members[member.server_id, member.profile_id] = deepcopy(member)

    async def get(self, server_id: UUID, profile_id: UUID) -> MemberRecord | None:
        member = self._state.members.get((server_id, profile_id))
        return deepcopy(member) if self._state.alive(server_id) else None

    async def save(self, member: MemberRecord) -> None:
        await self.add(member)

    async def remove(self, server_id: UUID, profile_id: UUID) -> None:
        self._state.members.pop((server_id, profile_id), None)

    async def page(self, server_id: UUID, after: Cursor | None, limit: int) -> Sequence[MemberRecord]:
        rows = [row for row in self._live() if row.server_id == server_id]
        return page_of(rows, lambda row: Cursor(row.joined_at, row.profile_id), after, limit)

    def _live(self) -> list[MemberRecord]:
        return [row for row in self._state.members.values() if self._state.alive(row.server_id)]
