"""leave.server"""

from apps.server.domain.members import MemberRecord
from apps.server.domain.servers import ServerRecord
from apps.server.ports import UnitOfWork
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_server
from shared.contracts import errors, event
from shared.contracts.event import LeftReason, MemberLeft
from shared.contracts.server import OfServer


async def leave_server(request: OfServer, unit: UnitOfWork) -> None:
    """End the caller's membership.

    * The owner cannot leave.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    await leave(unit, server, caller)


async def leave(unit: UnitOfWork, server: ServerRecord, caller: MemberRecord) -> None:
    """End the caller's membership of a locked server. Raises `owner.cannot_leave`."""
    if caller.profile_id == server.profile_id:
        raise errors.OWNER_CANNOT_LEAVE.exception("You own this server. Delete it if it is no longer needed.")
    await end_membership(unit, server, caller, LeftReason.LEFT)


async def end_membership(
    unit: UnitOfWork, server: ServerRecord, member: MemberRecord, reason: LeftReason
) -> None:
    """Remove a member from a locked server and publish `member.left`."""
    server.member_count -= 1
    left = MemberLeft(server_id=server.id, profile_id=member.profile_id, reason=reason)
    await publish_change(unit, server, event.MEMBER_LEFT, left)
    await unit.members.remove(server.id, member.profile_id)
    await unit.servers.save(server)
