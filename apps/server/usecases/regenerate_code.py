"""invite.regenerate"""

from apps.server.domain.permissions import Action, require
from apps.server.domain.servers import ServerRecord
from apps.server.ports import InviteCodes, UnitOfWork
from apps.server.usecases.publish_change import publish_change
from apps.server.usecases.server_access import lock_server
from shared.contracts import event
from shared.contracts.clock import Clock
from shared.contracts.server import InviteCodeAnswer, OfServer


async def regenerate_code(
    request: OfServer, unit: UnitOfWork, clock: Clock, codes: InviteCodes
) -> InviteCodeAnswer:
    """Replace a server's standing invite code; the old one is invalid at once.

    * ADMIN and MODERATOR only.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.REGENERATE_CODE)
    await replace_code(unit, server, clock, codes)
    return InviteCodeAnswer(invite_code=server.invite_code)


async def replace_code(unit: UnitOfWork, server: ServerRecord, clock: Clock, codes: InviteCodes) -> None:
    """Replace the standing code of a locked server. The event does not contain the code."""
    server.invite_code, server.updated_at = codes.new(), clock.now()
    await publish_change(unit, server, event.SERVER_UPDATED, server.fact())
    await unit.servers.save(server)
