"""member.list"""

from apps.server.ports import Accounts, UnitOfWorkFactory
from apps.server.usecases.member_profiles import with_profiles
from apps.server.usecases.server_access import require_membership
from shared.contracts.paging import Cursor, Listing
from shared.contracts.server import ListOfServer, Members


async def list_members(request: ListOfServer, units: UnitOfWorkFactory, accounts: Accounts) -> Members:
    """Return a page of a server's members with names and images, in the order of joining, to a member."""
    listing = Listing("members", request.server_id)
    after = listing.decode(request.cursor)
    async with units.snapshot() as unit:
        await require_membership(unit, request.server_id, request.profile_id)
        rows = await unit.members.page(request.server_id, after, request.limit + 1)
    page, next_cursor = listing.split(rows, request.limit, lambda row: Cursor(row.joined_at, row.profile_id))
    return Members(
        items=await with_profiles(request.profile_id, page, units, accounts),
        next=next_cursor,
    )
