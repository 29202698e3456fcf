"""channel.create"""

from apps.server.domain.channels import CHANNELS_MAX
from apps.server.domain.permissions import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_server
from shared.contracts import errors, event
from shared.contracts.clock import Clock, Ids
from shared.contracts.server import Channel, CreateChannel


async def create_channel(request: CreateChannel, unit: UnitOfWork, clock: Clock, ids: Ids) -> Channel:
    """Create a channel.

    * ADMIN and MODERATOR only.
    * A server has at most 500 channels.
    * The name is stripped; it need not be unique.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.CREATE_CHANNEL)
    if server.channel_count >= CHANNELS_MAX:
        raise errors.CHANNEL_LIMIT.exception(f"This server has {CHANNELS_MAX} channels already.")
    now = clock.now()
    channel = Channel(
        id=ids.new(),
        name=request.name.strip(),
        type=request.type,
        server_id=server.id,
        profile_id=request.profile_id,
        created_at=now,
        updated_at=now,
    )
    server.channel_count += 1
    await publish_change(unit, server, event.CHANNEL_CREATED, channel)
    await unit.channels.add(channel)
    await unit.servers.save(server)
    return channel
