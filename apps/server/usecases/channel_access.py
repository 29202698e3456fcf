"""channel.access"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.server_access import channel_not_found
from shared.contracts.server import ChannelAccess, OfChannel


async def channel_access(request: OfChannel, unit: UnitOfWork) -> ChannelAccess:
    """Return the profile's role in a channel, for other services; None for a non-member."""
    access = await unit.channels.access(request.channel_id, request.profile_id)
    if access is None:
        raise channel_not_found(request.channel_id)
    return access
