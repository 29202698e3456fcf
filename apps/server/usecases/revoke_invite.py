"""invite.revoke"""

from apps.server.domain.servers import Action, require
from apps.server.ports import InviteCodes, UnitOfWork
from apps.server.usecases.find_invite import invite_not_found, server_id_of
from apps.server.usecases.regenerate_code import replace_code
from shared.contracts.clock import Clock
from shared.contracts.server import OfInvite


async def revoke_invite(request: OfInvite, unit: UnitOfWork, clock: Clock, codes: InviteCodes) -> None:
    """Make a code let nobody in any longer.

    * ADMIN or MODERATOR of the invite's server; who is no member there does not learn that it exists.
    * A server is never without a standing code: revoking that one replaces it.
    """
    server = await unit.servers.lock(await server_id_of(unit, request.code))
    caller = await unit.members.get(server.id, request.profile_id) if server else None
    if server is None or caller is None:
        raise invite_not_found()
    require(caller.role, Action.REVOKE_INVITE)
    if server.invite_code == request.code:
        await replace_code(unit, server, clock, codes)
    elif await unit.invites.lock(request.code):
        await unit.invites.remove(request.code)
    else:
        raise invite_not_found()
