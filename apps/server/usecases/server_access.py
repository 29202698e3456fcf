"""Access to a server: find or lock what a use case works on, for members only."""

from uuid import UUID

from apps.server.domain.members import MemberRecord, Membership
from apps.server.domain.servers import ServerRecord
from apps.server.ports import UnitOfWork
from shared.contracts import errors
from shared.contracts.server import Channel, Server


async def require_membership(unit: UnitOfWork, server_id: UUID, profile_id: UUID) -> Membership:
    """Return the server and the caller's role.

    Raises `server.not_found` for non-members too: they cannot tell whether the server exists.
    """
    membership = await unit.servers.of_member(server_id, profile_id)
    if membership is None:
        raise _server_not_found(server_id)
    return membership


async def lock_server(
    unit: UnitOfWork, server_id: UUID, profile_id: UUID
) -> tuple[ServerRecord, MemberRecord]:
    """Lock the server until the end of the transaction; return it and the caller's membership.

    Raises `server.not_found` as `require_membership` does.
    """
    server = await unit.servers.lock(server_id)
    caller = await unit.members.get(server_id, profile_id) if server else None
    if server is None or caller is None:
        raise _server_not_found(server_id)
    return server, caller


async def lock_channel(
    unit: UnitOfWork, channel_id: UUID, profile_id: UUID
) -> tuple[ServerRecord, MemberRecord, Channel]:
    """Lock the channel's server; return it, the caller's membership and the channel.

    The channel is read again under the lock because it may have been deleted meanwhile.
    Raises `channel.not_found` for non-members too.
    """
    unlocked = await unit.channels.get(channel_id)
    server = await unit.servers.lock(unlocked.server_id) if unlocked else None
    caller = await unit.members.get(server.id, profile_id) if server else None
    channel = await unit.channels.get(channel_id) if caller else None
    if server is None or caller is None or channel is None:
        raise channel_not_found(channel_id)
    return server, caller, channel


async def with_channels(unit: UnitOfWork, server: ServerRecord) -> Server:
    """Return the server as its members see it, with all its channels (at most 500)."""
    channels = await unit.channels.of_servers([server.id])
    return server.answer(channels.get(server.id, []))


def channel_not_found(channel_id: UUID) -> errors.ServiceError:
    """Return the error for a channel that does not exist or is not visible to the caller."""
    return errors.CHANNEL_NOT_FOUND.exception(f"No channel {channel_id} is visible to you.")


def _server_not_found(server_id: UUID) -> errors.ServiceError:
    return errors.SERVER_NOT_FOUND.exception(f"You are not a member of a server {server_id}.")
