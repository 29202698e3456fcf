"""member.remove"""

from apps.server.domain.servers import Action, kick, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.leave_server import end_membership, leave
from apps.server.usecases.steps import lock_server
from shared.contracts import errors
from shared.contracts.event import LeftReason
from shared.contracts.server import OfMember


async def remove_member(request: OfMember, unit: UnitOfWork) -> None:
    """Kick a member, who may come back by an invite.

    * ADMIN anyone but the owner, MODERATOR guests.
    * Who removes himself leaves; the owner can not.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    if request.member_id == request.profile_id:
        await leave(unit, server, caller)
        return
    require(caller.role, Action.KICK_GUEST)
    member = await unit.members.get(request.server_id, request.member_id)
    if member is None:
        raise errors.MEMBER_NOT_FOUND.exception(f"{request.member_id} is no member of this server.")
    if member.profile_id == server.profile_id:
        raise errors.PERMISSION_DENIED.exception("The owner can not be kicked; nobody can do that.")
    require(caller.role, kick(member.role))
    await end_membership(unit, server, member, LeftReason.KICKED)
