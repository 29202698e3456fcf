"""invite.create"""

from datetime import timedelta

from apps.server.domain.servers import INVITES_KEPT_MAX, INVITES_MAX, Action, InviteRecord, require
from apps.server.ports import InviteCodes, UnitOfWork
from apps.server.usecases.steps import lock_server
from shared.contracts import errors
from shared.contracts.clock import Clock, Ids
from shared.contracts.server import CreateInvite, Invite


async def create_invite(
    request: CreateInvite, unit: UnitOfWork, clock: Clock, ids: Ids, codes: InviteCodes
) -> Invite:
    """Make an invite.

    * ADMIN or MODERATOR.
    * At most 1000 invites of a server are good at once. Those that are no longer good do not count; when a
      server has a great many of them, they are forgotten.
    """
    now = clock.now()
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.CREATE_INVITE)
    count = await unit.invites.count(server.id, now)
    if count.good >= INVITES_MAX:
        raise errors.INVITE_LIMIT.exception(f"This server has {INVITES_MAX} invites that are still good.")
    if count.all >= INVITES_KEPT_MAX:
        await unit.invites.remove_spent(server.id, now)
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
