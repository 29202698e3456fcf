"""invite.regenerate"""

from apps.server.domain.servers import Action, ServerRecord, require
from apps.server.ports import InviteCodes, UnitOfWork
from apps.server.usecases.steps import lock_server, record
from shared.contracts import event
from shared.contracts.clock import Clock
from shared.contracts.server import InviteCodeAnswer, OfServer


async def regenerate_code(
    request: OfServer, unit: UnitOfWork, clock: Clock, codes: InviteCodes
) -> InviteCodeAnswer:
    """Replace a server's standing invite code; the old one lets nobody in any longer.

    * ADMIN or MODERATOR.
    """
    server, caller = await lock_server(unit, request.server_id, request.profile_id)
    require(caller.role, Action.REGENERATE_CODE)
    await replace_code(unit, server, clock, codes)
    return InviteCodeAnswer(invite_code=server.invite_code)


async def replace_code(unit: UnitOfWork, server: ServerRecord, clock: Clock, codes: InviteCodes) -> None:
    """The same for a server that is locked already. The event tells that it changed, not the code."""
    server.invite_code, server.updated_at = codes.new(), clock.now()
    await record(unit, server, event.SERVER_UPDATED, server.fact())
    await unit.servers.save(server)
