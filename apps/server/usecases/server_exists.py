"""is.server.exists"""

from apps.server.ports import UnitOfWork
from shared.contracts.server import Existence, OfServer


async def server_exists(request: OfServer, unit: UnitOfWork) -> Existence:
    """Whether there is such a server, for anyone who is signed in."""
    return Existence(exists=await unit.servers.exists(request.server_id))
