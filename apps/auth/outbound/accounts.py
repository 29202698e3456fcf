"""Accounts in Postgres."""

from collections.abc import Collection
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from apps.auth.domain.account import Account
from apps.auth.outbound.tables import accounts
from shared.contracts.account import Profile, PublicProfile
from shared.kit.database.database import Database


class SqlAccounts:
    """`apps.auth.ports.Accounts` over a session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, account: Account) -> bool:
        statement = insert(accounts).values(asdict(account)).on_conflict_do_nothing(index_elements=["email"])
        return await self._session.scalar(statement.returning(accounts.c.id)) is not None

    async def by_id(self, profile_id: UUID) -> Account | None:
        return await self._one(select(accounts).where(accounts.c.id == profile_id))

    async def by_email(self, email: str) -> Account | None:
        return await self._one(select(accounts).where(accounts.c.email == email))

    async def lock(self, profile_id: UUID) -> Account | None:
        # Not FOR UPDATE: new sessions refer to this row and need not wait.
        statement = select(accounts).where(accounts.c.id == profile_id).with_for_update(key_share=True)
        return await self._one(statement)

    async def save(self, account: Account) -> None:
        values = asdict(account)
        await self._session.execute(update(accounts).where(accounts.c.id == values.pop("id")).values(values))

    async def public(self, profile_ids: Collection[UUID]) -> list[PublicProfile]:
        columns = (accounts.c.id, accounts.c.name, accounts.c.image_url, accounts.c.revision)
        statement = select(*columns).where(accounts.c.id.in_(profile_ids)).order_by(accounts.c.id)
        return [PublicProfile(**row) for row in (await self._session.execute(statement)).mappings()]

    async def _one(self, statement: Select[tuple[object, ...]]) -> Account | None:
        row = (await self._session.execute(statement)).mappings().one_or_none()
        return None if row is None else Account(**row)


class SqlProfileReader:
    """`apps.auth.ports.ProfileReader`: one statement on a connection of the hot pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def profile(self, profile_id: UUID) -> Profile | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_PROFILE, profile_id)
        return None if row is None else Profile(**row)


_PROFILE = "SELECT id, name, email, image_url, created_at, updated_at FROM accounts WHERE id = $1"
