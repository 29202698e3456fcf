"""`apps.server.ports.Invites` in memory."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import datetime
from uuid import UUID

from apps.server.domain.servers import InviteRecord
from apps.server.ports import InviteCount
from shared.contracts.paging import Place
from tests.fakes.server.state import State, page_of


class MemoryInvites:
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
        return InviteCount(sum(row.is_good(now) for row in rows), len(rows))

    async def remove_spent(self, server_id: UUID, now: datetime) -> None:
        self._forget(row for row in self._of(server_id) if not row.is_good(now))

    async def page(
        self, server_id: UUID, now: datetime, after: Place | None, limit: int
    ) -> Sequence[InviteRecord]:
        rows = [row for row in self._of(server_id) if row.is_good(now) and self._state.alive(server_id)]
        return page_of(rows, lambda row: Place(row.created_at, row.id), after, limit, down=True)

    async def sweep(self, spent_before: datetime, rows_max: int) -> int:
        spent = [row for row in self._state.invites.values() if _spent_at(row, spent_before)]
        self._forget(spent[:rows_max])
        return min(len(spent), rows_max)

    def _of(self, server_id: UUID) -> list[InviteRecord]:
        return [row for row in self._state.invites.values() if row.server_id == server_id]

    def _forget(self, rows: Iterable[InviteRecord]) -> None:
        for row in list(rows):
            del self._state.invites[row.code]


def _spent_at(invite: InviteRecord, moment: datetime) -> bool:
    used_up = invite.max_uses is not None and invite.uses >= invite.max_uses
    expired = invite.expires_at is not None and invite.expires_at <= moment
    return expired or (used_up and invite.used_at is not None and invite.used_at <= moment)
