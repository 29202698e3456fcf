"""update.server"""

from msgspec import UNSET

from apps.server.domain.permissions import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_server, with_channels
from shared.contracts import event
from shared.contracts.clock import Clock
from shared.contracts.server import Server, UpdateServer


async def update_server(request: UpdateServer, unit: UnitOfWork, clock: Clock) -> Server:
    """Change a server's name or image.

    * ADMIN only.
    * An omitted field stays as it is; `imageUrl: null` removes the image; the name is stripped.
    * A request that changes nothing publishes nothing.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.UPDATE_SERVER)
    name = server.name if request.name is UNSET else request.name.strip()
    image_url = server.image_url if request.image_url is UNSET else request.image_url
    if (name, image_url) != (server.name, server.image_url):
        server.name, server.image_url, server.updated_at = name, image_url, clock.now()
        await publish_change(unit, server, event.SERVER_UPDATED, server.fact())
        await unit.servers.save(server)
    return await with_channels(unit, server)
