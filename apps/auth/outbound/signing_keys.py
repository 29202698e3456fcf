"""Signing keys in Postgres; what it means that they are there stands in `tables.SigningKeyRow`."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from apps.auth.domain.signing_key import SigningKey
from apps.auth.outbound.tables import signing_keys
from shared.kit.database import Database


class SqlSigningKeys:
    """`apps.auth.ports.SigningKeys`, each step a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[SigningKey]:
        async with self._database.snapshot() as session:
            rows = await session.execute(select(signing_keys).order_by(signing_keys.c.number))
            return [SigningKey(**row) for row in rows.mappings()]

    async def add(self, key: SigningKey) -> None:
        statement = insert(signing_keys).values(asdict(key)).on_conflict_do_nothing(index_elements=["number"])
        async with self._database.transaction() as session:
            await session.execute(statement)

    async def remove(self, numbers: Sequence[int]) -> None:
        async with self._database.transaction() as session:
            await session.execute(delete(signing_keys).where(signing_keys.c.number.in_(numbers)))
