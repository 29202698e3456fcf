"""channel.list"""

from apps.server.ports import UnitOfWork
from apps.server.usecases.steps import require_membership
from shared.contracts.paging import Listing, Place
from shared.contracts.server import Channels, ListOfServer


async def list_channels(request: ListOfServer, unit: UnitOfWork) -> Channels:
    """A page of a server's channels, the oldest first, for its members."""
    listing = Listing("channels", request.server_id)
    start = listing.start(request.cursor)
    await require_membership(unit, request.server_id, request.profile_id)
    found = await unit.channels.page(request.server_id, start, request.limit + 1)
    shown, following = listing.cut(found, request.limit, lambda row: Place(row.created_at, row.id))
    return Channels(items=list(shown), next=following)
