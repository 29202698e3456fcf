"""is.server.exists"""

from apps.server.ports import UnitOfWork
from shared.contracts.server import Existence, OfServer


async def server_exists(request: OfServer, unit: UnitOfWork) -> Existence:
    """Report if the server exists, to any signed-in caller."""
    return Existence(exists=await unit.servers.exists(request.server_id))
