"""delete.server"""

from apps.server.domain.permissions import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_server
from shared.contracts import event
from shared.contracts.clock import Clock
from shared.contracts.server import OfServer


async def delete_server(request: OfServer, unit: UnitOfWork, clock: Clock) -> None:
    """Delete a server: it is invisible at once; its rows are deleted later, in batches.

    * ADMIN only.
    * One event covers the server, its channels and its members.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.DELETE_SERVER)
    await publish_change(unit, server, event.SERVER_DELETED, event.ServerDeleted(id=server.id))
    await unit.servers.save(server)
    await unit.servers.remove(server.id, clock.now())
