"""Steps that several use cases share: see it, lock it, write down what changed."""

from uuid import UUID

from apps.server.domain.servers import MemberRecord, Membership, ServerRecord
from apps.server.ports import UnitOfWork
from shared.contracts import errors
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.server import Channel, Server


async def require_membership(unit: UnitOfWork, server_id: UUID, profile_id: UUID) -> Membership:
    """The server and the caller's role. Who is no member can not tell it from one that does not exist."""
    membership = await unit.servers.of_member(server_id, profile_id)
    if membership is None:
        raise errors.SERVER_NOT_FOUND.exception(f"There is no server {server_id} that you are a member of.")
    return membership


async def lock_server(
    unit: UnitOfWork, server_id: UUID, profile_id: UUID
) -> tuple[ServerRecord, MemberRecord]:
    """The server and the caller's membership, both unchanged by others until the unit ends."""
    server = await unit.servers.lock(server_id)
    caller = await unit.members.get(server_id, profile_id) if server else None
    if server is None or caller is None:
        raise errors.SERVER_NOT_FOUND.exception(f"There is no server {server_id} that you are a member of.")
    return server, caller


async def lock_channel(
    unit: UnitOfWork, channel_id: UUID, profile_id: UUID
) -> tuple[ServerRecord, MemberRecord, Channel]:
    """The channel with its server locked. It is read again under the lock: it may be gone by then."""
    seen = await unit.channels.get(channel_id)
    server = await unit.servers.lock(seen.server_id) if seen else None
    caller = await unit.members.get(server.id, profile_id) if server else None
    channel = await unit.channels.get(channel_id) if caller else None
    if server is None or caller is None or channel is None:
        raise channel_not_found(channel_id)
    return server, caller, channel


def channel_not_found(channel_id: UUID) -> errors.ServiceError:
    """The error for a channel that does not exist, or that the caller can not see."""
    return errors.CHANNEL_NOT_FOUND.exception(f"There is no channel {channel_id} that you can see.")


async def record(unit: UnitOfWork, server: ServerRecord, kind: EventType, data: Answer) -> None:
    """Count a change of a locked server and publish it. The use case saves the server when all is done."""
    server.revision += 1
    await unit.events.publish(kind, server.id, server.revision, data)


async def with_channels(unit: UnitOfWork, server: ServerRecord) -> Server:
    """The server as its members read it, with at most 500 channels."""
    channels = await unit.channels.of_servers([server.id])
    return server.answer(channels.get(server.id, []))
