"""invite.list"""

from apps.server.domain.permissions import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.server_access import require_membership
from shared.contracts.clock import Clock
from shared.contracts.paging import Cursor, Listing
from shared.contracts.server import Invites, ListOfServer


async def list_invites(request: ListOfServer, unit: UnitOfWork, clock: Clock) -> Invites:
    """Return a page of a server's valid invites, the newest first, without the standing code.

    * ADMIN and MODERATOR only.
    """
    listing = Listing("invites", request.server_id)
    after = listing.decode(request.cursor)
    membership = await require_membership(unit, request.server_id, request.profile_id)
    require(membership.role, Action.LIST_INVITES)
    rows = await unit.invites.page(request.server_id, clock.now(), after, request.limit + 1)
    page, next_cursor = listing.split(rows, request.limit, lambda row: Cursor(row.created_at, row.id))
    return Invites(items=[row.answer() for row in page], next=next_cursor)
