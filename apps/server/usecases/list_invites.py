"""invite.list"""

from apps.server.domain.servers import Action, require
from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import require_membership
from shared.contracts.clock import Clock
from shared.contracts.paging import Listing, Place
from shared.contracts.server import Invites, ListOfServer


async def list_invites(request: ListOfServer, unit: UnitOfWork, clock: Clock) -> Invites:
    """A page of a server's invites that are still good, the newest first, without the standing code.

    * ADMIN or MODERATOR.
    """
    listing = Listing("invites", request.server_id)
    start = listing.start(request.cursor)
    membership = await require_membership(unit, request.server_id, request.profile_id)
    require(membership.role, Action.LIST_INVITES)
    found = await unit.invites.page(request.server_id, clock.now(), start, request.limit + 1)
    shown, following = listing.cut(found, request.limit, lambda row: Place(row.created_at, row.id))
    return Invites(items=[row.answer() for row in shown], next=following)
