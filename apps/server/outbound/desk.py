"""Where the inbound side gets its units and its accounts from."""

from apps.server.outbound.accounts import AuthAccounts
from apps.server.outbound.unit_of_work import SqlUnitOfWork
from apps.server.ports import Accounts
from shared.kit.database.unit_of_work import SqlUnitOfWorkFactory
from shared.kit.rpc.client import RpcClient
from shared.kit.wire.call import Call


class SqlDesk:
    """`apps.server.inbound.kafka.Desk` over Postgres and the mesh."""

    def __init__(self, units: SqlUnitOfWorkFactory[SqlUnitOfWork], client: RpcClient) -> None:
        self.units = units
        self._client = client

    def accounts(self, call: Call) -> Accounts:
        return AuthAccounts(self._client, call)
