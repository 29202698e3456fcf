"""channel.get"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.server_access import channel_not_found
from shared.contracts.server import Channel, OfChannel


async def get_channel(request: OfChannel, unit: UnitOfWork) -> Channel:
    """Return a channel to a member of its server."""
    channel = await unit.channels.of_member(request.channel_id, request.profile_id)
    if channel is None:
        raise channel_not_found(request.channel_id)
    return channel
