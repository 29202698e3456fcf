"""member.remove"""

from apps.server.domain.permissions import Action, kick, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.leave_server import end_membership, leave
from apps.server.usecases.server_access import lock_server
from shared.contracts import errors
from shared.contracts.event import LeftReason
from shared.contracts.server import OfMember


async def remove_member(request: OfMember, unit: UnitOfWork) -> None:
    """Kick a member, who may come back with an invite.

    * An ADMIN may kick anyone but the owner, a MODERATOR only a GUEST.
    * Removing oneself is leaving; the owner cannot leave.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    if request.member_id == request.profile_id:
        await leave(unit, server, caller)
        return
    require(caller.role, Action.KICK_GUEST)
    member = await unit.members.get(request.server_id, request.member_id)
    if member is None:
        raise errors.MEMBER_NOT_FOUND.exception(f"{request.member_id} is not a member of this server.")
    if member.profile_id == server.profile_id:
        raise errors.PERMISSION_DENIED.exception("The owner cannot be kicked.")
    require(caller.role, kick(member.role))
    await end_membership(unit, server, member, LeftReason.KICKED)
