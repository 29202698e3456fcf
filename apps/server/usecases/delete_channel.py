"""channel.delete"""

from apps.server.domain.servers import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import lock_channel, record
from shared.contracts import event
from shared.contracts.server import OfChannel


async def delete_channel(request: OfChannel, unit: UnitOfWork) -> None:
    """Delete a channel. The message service hears of it and purges its messages.

    * ADMIN or MODERATOR.
    """
    server, caller, channel = await lock_channel(unit, request.channel_id, request.profile_id)
    require(caller.role, Action.DELETE_CHANNEL)
    server.channel_count -= 1
    gone = event.ChannelDeleted(id=channel.id, server_id=server.id)
    await record(unit, server, event.CHANNEL_DELETED, gone)
    await unit.channels.remove(channel.id)
    await unit.servers.save(server)
