"""get.server"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.server_access import require_membership, with_channels
from shared.contracts.server import OfServer, Server


async def get_server(request: OfServer, unit: UnitOfWork) -> Server:
    """Return the server with all its channels, the oldest first, to a member."""
    membership = await require_membership(unit, request.server_id, request.profile_id)
    return await with_channels(unit, membership.server)
