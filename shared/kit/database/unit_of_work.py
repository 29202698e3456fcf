"""Units of work over Postgres: one transaction's repositories, made from its session."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.clock import Clock
from shared.kit.database.database import Database
from shared.kit.database.idempotency import once
from shared.kit.wire.call import Call

U = TypeVar("U")


class SqlUnitOfWorkFactory(Generic[U]):
    """Where use cases get their unit from. Errors as those of `Database` and `ledger.once`."""

    def __init__(self, database: Database, unit: Callable[[AsyncSession], U], clock: Clock) -> None:
        self._database = database
        self._unit = unit
        self._clock = clock

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[U]:
        """Committed at the end, rolled back when the block raises."""
        async with self._database.transaction() as session:
            yield self._unit(session)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[U]:
        """Read only; all that is read is of the same moment."""
        async with self._database.snapshot() as session:
            yield self._unit(session)

    async def once(
        self,
        call: Call,
        profile_id: UUID,
        work: Callable[[U], Awaitable[Any]],
        *,
        keep_refusals: bool = True,
    ) -> Any:
        """Do the work in a transaction, unless this very call or its `Idempotency-Key` was done before."""
        return await once(
            self._database,
            call,
            profile_id,
            lambda session: work(self._unit(session)),
            clock=self._clock,
            keep_refusals=keep_refusals,
        )
