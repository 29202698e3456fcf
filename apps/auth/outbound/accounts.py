"""Accounts in Postgres."""

from collections.abc import Collection
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from apps.auth.domain.account import Account
from apps.auth.outbound.tables import AccountRow
from shared.contracts.account import Profile, PublicProfile
from shared.kit.database.database import Database
from shared.kit.database.rows import select_rows


class SqlAccounts:
    """`apps.auth.ports.Accounts` within one session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, account: Account) -> bool:
        statement = insert(AccountRow).values(asdict(account))
        upsert = statement.on_conflict_do_nothing(index_elements=["email"])
        return await self._session.scalar(upsert.returning(col(AccountRow.id))) is not None

    async def by_id(self, profile_id: UUID) -> Account | None:
        return await self._one(select_rows(AccountRow).where(col(AccountRow.id) == profile_id))

    async def by_email(self, email: str) -> Account | None:
        return await self._one(select_rows(AccountRow).where(col(AccountRow.email) == email))

    async def lock(self, profile_id: UUID) -> Account | None:
        # FOR NO KEY UPDATE: new sessions refer to this row and need not wait.
        statement = select_rows(AccountRow).where(col(AccountRow.id) == profile_id)
        return await self._one(statement.with_for_update(key_share=True))

    async def save(self, account: Account) -> None:
        values = asdict(account)
        statement = update(AccountRow).where(col(AccountRow.id) == values.pop("id")).values(values)
        await self._session.execute(statement)

    async def public(self, profile_ids: Collection[UUID]) -> list[PublicProfile]:
        statement = (
            select(AccountRow.id, AccountRow.name, AccountRow.image_url, AccountRow.revision)
            .where(col(AccountRow.id).in_(profile_ids))
            .order_by(col(AccountRow.id))
        )
        return [
            PublicProfile(id=profile_id, name=name, image_url=image_url, revision=revision)
            for profile_id, name, image_url, revision in await self._session.execute(statement)
        ]

    async def _one(self, statement: SelectOfScalar[AccountRow]) -> Account | None:
        row = (await self._session.scalars(statement)).one_or_none()
        return None if row is None else _account(row)


class SqlProfileReader:
    """`apps.auth.ports.ProfileReader`: one statement on a connection of the hot pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def profile(self, profile_id: UUID) -> Profile | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_PROFILE, profile_id)
        return None if row is None else Profile(**row)


def _account(row: AccountRow) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        email=row.email,
        image_url=row.image_url,
        password_hash=row.password_hash,
        password_changed_at=row.password_changed_at,
        password_changed_by=row.password_changed_by,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


_PROFILE = "SELECT id, name, email, image_url, created_at, updated_at FROM accounts WHERE id = $1"
