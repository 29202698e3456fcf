"""leave.server"""

from apps.server.domain.servers import MemberRecord, ServerRecord
from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import lock_server, record
from shared.contracts import errors, event
from shared.contracts.event import LeftReason, MemberLeft
from shared.contracts.server import OfServer


async def leave_server(request: OfServer, unit: UnitOfWork) -> None:
    """End the caller's membership.

    * The owner can not leave.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    await leave(unit, server, caller)


async def leave(unit: UnitOfWork, server: ServerRecord, caller: MemberRecord) -> None:
    """The same for a server that is locked already."""
    if caller.profile_id == server.profile_id:
        raise errors.OWNER_CANNOT_LEAVE.exception(
            "You own this server. Delete it if nobody needs it any longer."
        )
    await end_membership(unit, server, caller, LeftReason.LEFT)


async def end_membership(
    unit: UnitOfWork, server: ServerRecord, member: MemberRecord, reason: LeftReason
) -> None:
    """Take a member out of a locked server and publish it."""
    server.member_count -= 1
    gone = MemberLeft(server_id=server.id, profile_id=member.profile_id, reason=reason)
    await record(unit, server, event.MEMBER_LEFT, gone)
    await unit.members.remove(server.id, member.profile_id)
    await unit.servers.save(server)
