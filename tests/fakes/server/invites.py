"""`apps.server.ports.Invites` in memory."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import datetime
from uuid import UUID

from apps.server.domain.invites import InviteRecord
from apps.server.ports import InviteCount
from shared.contracts.paging import Cursor
from tests.fakes.server.state import State, page_of


class MemoryInvites:
    """The invites of a state."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, invite: InviteRecord) -> None:
        self._state.invites[invite.code] = deepcopy(invite)

    async def get(self, code: str) -> InviteRecord | None:
        invite = self._state.invites.get(code)
        return deepcopy(invite) if invite and self._state.alive(invite.server_id) else None

    async def lock(self, code: str) -> InviteRecord | None:
        return await self.get(code)

    async def save(self, invite: InviteRecord) -> None:
        await self.add(invite)

    async def remove(self, code: str) -> None:
        self._state.invites.pop(code, None)

    async def count(self, server_id: UUID, now: datetime) -> InviteCount:
        rows = self._of(server_id)
        return InviteCount(sum(row.is_valid(now) for row in rows), len(rows))

    async def remove_invalid(self, server_id: UUID, now: datetime) -> None:
        self._delete(row for row in self._of(server_id) if not row.is_valid(now))

    async def page(
        self, server_id: UUID, now: datetime, after: Cursor | None, limit: int
    ) -> Sequence[InviteRecord]:
        rows = [row for row in self._of(server_id) if row.is_valid(now) and self._state.alive(server_id)]
        return page_of(rows, lambda row: Cursor(row.created_at, row.id), after, limit, down=True)

    async def sweep(self, invalid_before: datetime, rows_max: int) -> int:
        invalid = [row for row in self._state.invites.values() if _was_invalid_at(row, invalid_before)]
        self._delete(invalid[:rows_max])
        return min(len(invalid), rows_max)

    def _of(self, server_id: UUID) -> list[InviteRecord]:
        return [row for row in self._state.invites.values() if row.server_id == server_id]

    def _delete(self, rows: Iterable[InviteRecord]) -> None:
        for row in list(rows):
            del self._state.invites[row.code]


def _was_invalid_at(invite: InviteRecord, moment: datetime) -> bool:
    used_up = invite.max_uses is not None and invite.uses >= invite.max_uses
    expired = invite.expires_at is not None and invite.expires_at <= moment
    return expired or (used_up and invite.used_at is not None and invite.used_at <= moment)
