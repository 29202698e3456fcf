"""invite.revoke"""

from apps.server.domain.permissions import Action, require
from apps.server.ports import InviteCodes, UnitOfWork
from apps.server.usecases.invite_lookup import invite_not_found, server_id_of
from apps.server.usecases.regenerate_code import replace_code
from shared.contracts.clock import Clock
from shared.contracts.server import OfInvite


async def revoke_invite(request: OfInvite, unit: UnitOfWork, clock: Clock, codes: InviteCodes) -> None:
    """Revoke an invite code.

    * ADMIN and MODERATOR of the invite's server only; a non-member gets `invite.not_found`.
    * A server always has a standing code: revoking it replaces it.
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
