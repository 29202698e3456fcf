"""Keys in Postgres; what it means that they are there stands in `tables.SigningKeyRow`."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects.postgresql import insert

from apps.auth.domain.keys import KeyPair
from apps.auth.outbound.tables import sealing_keys, signing_keys
from shared.kit.database.database import Database


class SqlKeys:
    """`apps.auth.ports.Keys`, each step a transaction of its own. `since` is the column of `used_from`."""

    def __init__(self, database: Database, table: Table, since: str) -> None:
        self._database = database
        self._table = table
        self._since = since

    async def all(self) -> list[KeyPair]:
        columns = [
            column.label("used_from") if column.name == self._since else column for column in self._table.c
        ]
        async with self._database.snapshot() as session:
            rows = await session.execute(select(*columns).order_by(self._table.c.number))
            return [KeyPair(**row) for row in rows.mappings()]

    async def add(self, key: KeyPair) -> None:
        values = asdict(key)
        values[self._since] = values.pop("used_from")
        statement = insert(self._table).values(values).on_conflict_do_nothing(index_elements=["number"])
        async with self._database.transaction() as session:
            await session.execute(statement)

    async def remove(self, numbers: Sequence[int]) -> None:
        async with self._database.transaction() as session:
            await session.execute(delete(self._table).where(self._table.c.number.in_(numbers)))


def stored_signing_keys(database: Database) -> SqlKeys:
    """The keys that access tokens are signed with."""
    return SqlKeys(database, signing_keys, "signs_from")


def stored_sealing_keys(database: Database) -> SqlKeys:
    """The keys that secrets are sealed to."""
    return SqlKeys(database, sealing_keys, "used_from")
