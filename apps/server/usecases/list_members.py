"""member.list"""

from apps.server.ports import Accounts, UnitOfWorkFactory
from apps.server.usecases.name_members import name_members
from apps.server.usecases.steps import require_membership
from shared.contracts.paging import Listing, Place
from shared.contracts.server import ListOfServer, Members


async def list_members(request: ListOfServer, units: UnitOfWorkFactory, accounts: Accounts) -> Members:
    """A page of a server's members with names and images, who joined first at the top, for its members."""
    listing = Listing("members", request.server_id)
    start = listing.start(request.cursor)
    async with units.snapshot() as unit:
        await require_membership(unit, request.server_id, request.profile_id)
        found = await unit.members.page(request.server_id, start, request.limit + 1)
    shown, following = listing.cut(found, request.limit, lambda row: Place(row.joined_at, row.profile_id))
    return Members(
        items=await name_members(request.profile_id, shown, units, accounts),
        next=following,
    )
