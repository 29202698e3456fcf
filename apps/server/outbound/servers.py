"""Servers in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Table, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from apps.server.domain.servers import Membership, ServerRecord
from apps.server.outbound.tables import channels, invites, members, servers
from shared.contracts.fields import Role
from shared.contracts.paging import Place

_FIELDS = [column for column in servers.c if column.name != "deleted_at"]
_ALIVE = servers.c.deleted_at.is_(None)


class SqlServers:
    """`apps.server.ports.Servers` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, server: ServerRecord) -> None:
        await self._session.execute(insert(servers).values(_values(server)))

    async def lock(self, server_id: UUID) -> ServerRecord | None:
        return await self._one(_alive().where(servers.c.id == server_id).with_for_update())

    async def get(self, server_id: UUID) -> ServerRecord | None:
        return await self._one(_alive().where(servers.c.id == server_id))

    async def save(self, server: ServerRecord) -> None:
        await self._session.execute(update(servers).where(servers.c.id == server.id).values(_values(server)))

    async def remove(self, server_id: UUID, now: datetime) -> None:
        await self._session.execute(update(servers).where(servers.c.id == server_id).values(deleted_at=now))

    async def exists(self, server_id: UUID) -> bool:
        found = select(servers.c.id).where(servers.c.id == server_id, _ALIVE)
        return await self._session.scalar(found) is not None

    async def id_of_code(self, code: str) -> UUID | None:
        found = select(servers.c.id).where(servers.c.invite_code == code, _ALIVE)
        server_id: UUID | None = await self._session.scalar(found)
        return server_id

    async def of_member(self, server_id: UUID, profile_id: UUID) -> Membership | None:
        found = _memberships(profile_id).where(members.c.server_id == server_id)
        row = (await self._session.execute(found)).one_or_none()
        return None if row is None else _membership(row)

    async def page(self, profile_id: UUID, after: Place | None, limit: int) -> Sequence[Membership]:
        key = (members.c.joined_at, members.c.server_id)
        found = _memberships(profile_id).order_by(*key).limit(limit)
        if after is not None:
            found = found.where(tuple_(*key) > after)
        return [_membership(row) for row in await self._session.execute(found)]

    async def purge(self, rows_max: int) -> int:
        deleted = select(servers.c.id).where(servers.c.deleted_at.is_not(None)).order_by(servers.c.deleted_at)
        server_id = await self._session.scalar(deleted.limit(1).with_for_update(skip_locked=True))
        if server_id is None:
            return 0
        for table in (members, invites, channels):
            if gone := await self._purge_from(table, server_id, rows_max):
                return gone
        await self._session.execute(delete(servers).where(servers.c.id == server_id))
        return 1

    async def _purge_from(self, table: Table, server_id: UUID, rows_max: int) -> int:
        key = tuple_(*table.primary_key.columns)
        some = select(*table.primary_key.columns).where(table.c.server_id == server_id).limit(rows_max)
        gone = delete(table).where(key.in_(some)).returning(table.c.server_id)
        return len((await self._session.execute(gone)).all())

    async def _one(self, statement: Select[Any]) -> ServerRecord | None:
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else ServerRecord(**row._mapping)


def _alive() -> Select[Any]:
    return select(*_FIELDS).where(_ALIVE)


def _memberships(profile_id: UUID) -> Select[Any]:
    return (
        select(*_FIELDS, members.c.role, members.c.joined_at)
        .join_from(members, servers, servers.c.id == members.c.server_id)
        .where(members.c.profile_id == profile_id, _ALIVE)
    )


def _membership(row: Row[Any]) -> Membership:
    values = dict(row._mapping)
    role, joined_at = Role(values.pop("role")), values.pop("joined_at")
    return Membership(ServerRecord(**values), role, joined_at)


def _values(server: ServerRecord) -> dict[str, Any]:
    return asdict(server)
