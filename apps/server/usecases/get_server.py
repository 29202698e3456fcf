"""get.server"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import require_membership, with_channels
from shared.contracts.server import OfServer, Server


async def get_server(request: OfServer, unit: UnitOfWork) -> Server:
    """The server with all its channels, the oldest first, for its members."""
    membership = await require_membership(unit, request.server_id, request.profile_id)
    return await with_channels(unit, membership.server)
