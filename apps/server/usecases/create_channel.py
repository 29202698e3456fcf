"""channel.create"""

from apps.server.domain.servers import CHANNELS_MAX, Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import lock_server, record
from shared.contracts import errors, event
from shared.contracts.clock import Clock, Ids
from shared.contracts.server import Channel, CreateChannel


async def create_channel(request: CreateChannel, unit: UnitOfWork, clock: Clock, ids: Ids) -> Channel:
    """Make a channel.

    * ADMIN or MODERATOR.
    * At most 500 channels a server.
    * The name is stripped; two channels may have the same.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.CREATE_CHANNEL)
    if server.channel_count >= CHANNELS_MAX:
        raise errors.CHANNEL_LIMIT.exception(f"This server has {CHANNELS_MAX} channels.")
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
    await record(unit, server, event.CHANNEL_CREATED, channel)
    await unit.channels.add(channel)
    await unit.servers.save(server)
    return channel
