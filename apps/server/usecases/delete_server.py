"""delete.server"""

from apps.server.domain.servers import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import lock_server, record
from shared.contracts import event
from shared.contracts.clock import Clock
from shared.contracts.server import OfServer


async def delete_server(request: OfServer, unit: UnitOfWork, clock: Clock) -> None:
    """Delete a server: it is gone at once, its rows go later, in pieces.

    * ADMIN only.
    * One event tells of the server, its channels and its members.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.DELETE_SERVER)
    await record(unit, server, event.SERVER_DELETED, event.ServerDeleted(id=server.id))
    await unit.servers.save(server)
    await unit.servers.remove(server.id, clock.now())
