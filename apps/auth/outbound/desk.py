"""Where the inbound side gets its units from."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from apps.auth.outbound.units import SqlUnits
from apps.auth.ports import Unit, Units
from shared.kit.database import Database
from shared.kit.ledger import once
from shared.kit.wire import Call


class SqlDesk:
    """`apps.auth.inbound.Desk` over Postgres."""

    def __init__(self, database: Database, units: SqlUnits) -> None:
        self.units: Units = units
        self._sql = units
        self._database = database

    async def once(self, call: Call, profile_id: UUID, work: Callable[[Unit], Awaitable[Any]]) -> Any:
        return await once(self._database, call, profile_id, lambda session: work(self._sql.within(session)))
