"""invite.get"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.invite_lookup import invite_expired, invite_not_found
from shared.contracts.clock import Clock
from shared.contracts.server import InvitePreview, OfInvite


async def get_invite(request: OfInvite, unit: UnitOfWork, clock: Clock) -> InvitePreview:
    """Return a preview of the server that a code belongs to, to any signed-in caller.

    * The standing code never expires.
    """
    invite = await unit.invites.get(request.code)
    if invite and not invite.is_valid(clock.now()):
        raise invite_expired()
    server_id = invite.server_id if invite else await unit.servers.id_of_code(request.code)
    server = await unit.servers.get(server_id) if server_id else None
    if server is None:
        raise invite_not_found()
    return InvitePreview(
        code=request.code,
        server_id=server.id,
        server_name=server.name,
        image_url=server.image_url,
        member_count=server.member_count,
        expires_at=invite.expires_at if invite else None,
    )
