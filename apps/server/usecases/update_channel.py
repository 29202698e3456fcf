"""channel.update"""

from msgspec import UNSET

from apps.server.domain.permissions import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_channel
from shared.contracts import event
from shared.contracts.clock import Clock
from shared.contracts.server import Channel, UpdateChannel


async def update_channel(request: UpdateChannel, unit: UnitOfWork, clock: Clock) -> Channel:
    """Rename a channel.

    * ADMIN and MODERATOR only.
    * The name is stripped; a request that changes nothing publishes nothing.
    """
    server, caller, channel = await lock_channel(unit, request.channel_id, request.profile_id)
    require(caller.role, Action.UPDATE_CHANNEL)
    name = channel.name if request.name is UNSET else request.name.strip()
    if name != channel.name:
        channel.name, channel.updated_at = name, clock.now()
        await publish_change(unit, server, event.CHANNEL_UPDATED, channel)
        await unit.channels.save(channel)
        await unit.servers.save(server)
    return channel
