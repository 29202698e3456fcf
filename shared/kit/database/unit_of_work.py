"""Units of work on Postgres: the repositories of one transaction, made from its session."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.clock import Clock
from shared.kit.database.database import Database
from shared.kit.database.idempotency import run_once
from shared.kit.wire.call import Call

U = TypeVar("U")


class SqlUnitOfWorkFactory(Generic[U]):
    """Opens units of work for use cases. Errors are those of `Database` and `idempotency.run_once`."""

    def __init__(self, database: Database, unit: Callable[[AsyncSession], U], clock: Clock) -> None:
        self._database = database
        self._unit = unit
        self._clock = clock

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[U]:
        """Open a unit that is committed at the end and rolled back if the block raises."""
        async with self._database.transaction() as session:
            yield self._unit(session)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[U]:
        """Open a read-only unit with one snapshot of the database."""
        async with self._database.snapshot() as session:
            yield self._unit(session)

    async def run_once(
        self,
        call: Call,
        profile_id: UUID,
        work: Callable[[U], Awaitable[Any]],
        *,
        store_errors: bool = True,
    ) -> Any:
        """Do the work in a transaction unless this call, or one with its idempotency key, was done before."""
        return await run_once(
            self._database,
            call,
            profile_id,
            lambda session: work(self._unit(session)),
            clock=self._clock,
            store_errors=store_errors,
        )
