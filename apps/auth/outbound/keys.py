"""Stored keys in Postgres; see `tables.SigningKeyRow` for the consequences of storing them."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from apps.auth.domain.keys import KeyPair
from apps.auth.outbound.tables import KeyRow, SealingKeyRow, SigningKeyRow
from shared.kit.database.database import Database
from shared.kit.database.rows import select_rows


class SqlKeys:
    """`apps.auth.ports.Keys` in one table; each method is a transaction of its own."""

    def __init__(self, database: Database, row_class: type[KeyRow]) -> None:
        self._database = database
        self._row_class = row_class

    async def all(self) -> list[KeyPair]:
        statement = select_rows(self._row_class).order_by(col(self._row_class.number))
        async with self._database.snapshot() as session:
            return [_key(row) for row in await session.scalars(statement)]

    async def add(self, key: KeyPair) -> None:
        statement = insert(self._row_class).values(asdict(key))
        async with self._database.transaction() as session:
            await session.execute(statement.on_conflict_do_nothing(index_elements=["number"]))

    async def remove(self, numbers: Sequence[int]) -> None:
        statement = delete(self._row_class).where(col(self._row_class.number).in_(numbers))
        async with self._database.transaction() as session:
            await session.execute(statement)


def stored_signing_keys(database: Database) -> SqlKeys:
    """Return the keys that sign access tokens."""
    return SqlKeys(database, SigningKeyRow)


def stored_sealing_keys(database: Database) -> SqlKeys:
    """Return the keys that secrets are sealed to."""
    return SqlKeys(database, SealingKeyRow)


def _key(row: KeyRow) -> KeyPair:
    return KeyPair(
        number=row.number,
        kid=row.kid,
        private=row.private,
        public=row.public,
        created_at=row.created_at,
        used_from=row.used_from,
    )
