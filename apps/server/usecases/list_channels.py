"""channel.list"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.server_access import require_membership
from shared.contracts.paging import Cursor, Listing
from shared.contracts.server import Channels, ListOfServer


async def list_channels(request: ListOfServer, unit: UnitOfWork) -> Channels:
    """Return a page of a server's channels, the oldest first, to a member."""
    listing = Listing("channels", request.server_id)
    after = listing.decode(request.cursor)
    await require_membership(unit, request.server_id, request.profile_id)
    rows = await unit.channels.page(request.server_id, after, request.limit + 1)
    page, next_cursor = listing.split(rows, request.limit, lambda row: Cursor(row.created_at, row.id))
    return Channels(items=list(page), next=next_cursor)
