"""create.server"""

from apps.server.domain.channels import FIRST_CHANNEL
from apps.server.domain.members import SERVERS_MAX, MemberRecord
from apps.server.domain.servers import ServerRecord
from apps.server.ports import InviteCodes, UnitOfWork
from apps.server.usecases.publish_change import publish_change
from shared.contracts import errors, event
from shared.contracts.clock import Clock, Ids
from shared.contracts.fields import ChannelType, Role
from shared.contracts.server import Channel, CreateServer, Server


async def create_server(
    request: CreateServer, unit: UnitOfWork, clock: Clock, ids: Ids, codes: InviteCodes
) -> Server:
    """Create a server with a first channel, a standing invite code and its creator as ADMIN.

    * A profile is in at most 100 servers, however many requests run at once.
    * The name is stripped.
    """
    await unit.members.lock_profile(request.profile_id)
    if await unit.members.count_of(request.profile_id) >= SERVERS_MAX:
        raise errors.SERVER_LIMIT.exception(f"You are a member of {SERVERS_MAX} servers already.")
    server = _server(request, clock, ids, codes)
    channel = _first_channel(server, ids)
    member = MemberRecord(
        server_id=server.id, profile_id=server.profile_id, role=Role.ADMIN, joined_at=server.created_at
    )
    await publish_change(unit, server, event.SERVER_CREATED, server.fact())
    await publish_change(unit, server, event.CHANNEL_CREATED, channel)
    await publish_change(unit, server, event.MEMBER_JOINED, member.fact())
    await unit.servers.add(server)
    await unit.channels.add(channel)
    await unit.members.add(member)
    return server.answer([channel])


def _server(request: CreateServer, clock: Clock, ids: Ids, codes: InviteCodes) -> ServerRecord:
    now = clock.now()
    return ServerRecord(
        id=ids.new(),
        name=request.name.strip(),
        image_url=request.image_url,
        invite_code=codes.new(),
        profile_id=request.profile_id,
        revision=0,
        channel_count=1,
        member_count=1,
        created_at=now,
        updated_at=now,
    )


def _first_channel(server: ServerRecord, ids: Ids) -> Channel:
    return Channel(
        id=ids.new(),
        name=FIRST_CHANNEL,
        type=ChannelType.TEXT,
        server_id=server.id,
        profile_id=server.profile_id,
        created_at=server.created_at,
        updated_at=server.created_at,
    )
