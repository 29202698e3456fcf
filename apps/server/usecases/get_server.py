"""get.server"""

from apps.server.ports import Unit
from apps.server.usecases.steps import see_server, with_channels
from shared.contracts.server import OfServer, Server


async def get_server(request: OfServer, unit: Unit) -> Server:
    """The server with all its channels, the oldest first, for its members."""
    membership = await see_server(unit, request.server_id, request.profile_id)
    return await with_channels(unit, membership.server)
