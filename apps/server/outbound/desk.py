"""Where the inbound side gets its units and its accounts from."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from apps.server.outbound.accounts import AuthAccounts
from apps.server.outbound.units import SqlUnits
from apps.server.ports import Accounts, Unit, Units
from shared.kit.call import MeshClient
from shared.kit.database import Database
from shared.kit.ledger import once
from shared.kit.wire import Call


class SqlDesk:
    """`apps.server.inbound.Desk` over Postgres and the mesh."""

    def __init__(self, database: Database, units: SqlUnits, client: MeshClient) -> None:
        self.units: Units = units
        self._sql = units
        self._database = database
        self._client = client

    async def once(self, call: Call, profile_id: UUID, work: Callable[[Unit], Awaitable[Any]]) -> Any:
        return await once(self._database, call, profile_id, lambda session: work(self._sql.within(session)))

    def accounts(self, call: Call) -> Accounts:
        return AuthAccounts(self._client, call)
