"""invite.create"""

from datetime import timedelta

from apps.server.domain.invites import INVITES_MAX, INVITES_STORED_MAX, InviteRecord
from apps.server.domain.permissions import Action, require
from apps.server.ports import InviteCodes, UnitOfWork
from apps.server.usecases.server_access import lock_server
from shared.contracts import errors
from shared.contracts.clock import Clock, Ids
from shared.contracts.server import CreateInvite, Invite


async def create_invite(
    request: CreateInvite, unit: UnitOfWork, clock: Clock, ids: Ids, codes: InviteCodes
) -> Invite:
    """Create an invite.

    * ADMIN and MODERATOR only.
    * A server has at most 1000 valid invites. Invalid ones do not count; they are deleted when the server
      has 2000 invites in all.
    """
    now = clock.now()
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.CREATE_INVITE)
    count = await unit.invites.count(server.id, now)
    if count.valid >= INVITES_MAX:
        raise errors.INVITE_LIMIT.exception(f"This server has {INVITES_MAX} valid invites already.")
    if count.stored >= INVITES_STORED_MAX:
        await unit.invites.remove_invalid(server.id, now)
    invite = InviteRecord(
        id=ids.new(),
        code=codes.new(),
        server_id=server.id,
        profile_id=request.profile_id,
        created_at=now,
        expires_at=now + timedelta(seconds=request.max_age_s) if request.max_age_s else None,
        uses=0,
        max_uses=request.max_uses,
        used_at=None,
    )
    await unit.invites.add(invite)
    return invite.answer()
