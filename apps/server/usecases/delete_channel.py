"""channel.delete"""

from apps.server.domain.permissions import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_channel
from shared.contracts import event
from shared.contracts.server import OfChannel


async def delete_channel(request: OfChannel, unit: UnitOfWork) -> None:
    """Delete a channel. The message service purges its messages on `channel.deleted`.

    * ADMIN and MODERATOR only.
    """
    server, caller, channel = await lock_channel(unit, request.channel_id, request.profile_id)
    require(caller.role, Action.DELETE_CHANNEL)
    server.channel_count -= 1
    deleted = event.ChannelDeleted(id=channel.id, server_id=server.id)
    await publish_change(unit, server, event.CHANNEL_DELETED, deleted)
    await unit.channels.remove(channel.id)
    await unit.servers.save(server)
