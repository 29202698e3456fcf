"""channel.access"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import channel_not_found
from shared.contracts.server import ChannelAccess, OfChannel


async def channel_access(request: OfChannel, unit: UnitOfWork) -> ChannelAccess:
    """What a profile may do in a channel, for other services: who is no member has no role."""
    access = await unit.channels.access(request.channel_id, request.profile_id)
    if access is None:
        raise channel_not_found(request.channel_id)
    return access
