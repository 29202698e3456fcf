"""get.involved.server"""

from collections.abc import Sequence

from apps.server.domain.servers import LISTED_CHANNELS_MAX, Membership
from apps.server.ports import UnitOfWork
from shared.contracts.paging import Listing, Place
from shared.contracts.server import ListServers, Servers


async def list_servers(request: ListServers, unit: UnitOfWork) -> Servers:
    """The servers that the caller is in, the one joined first at the top, each with its channels.

    * A page ends early where its servers would have more than 700 channels together, so that it fits into
      one Kafka record; `next` then leads on.
    """
    listing = Listing("servers", request.profile_id)
    found = await unit.servers.page(request.profile_id, listing.start(request.cursor), request.limit + 1)
    size = min(request.limit, _fitting(found))
    shown, following = listing.cut(found, size, lambda row: Place(row.joined_at, row.server.id))
    channels = await unit.channels.of_servers([row.server.id for row in shown])
    items = [row.server.answer(channels.get(row.server.id, [])) for row in shown]
    return Servers(items=items, next=following)


def _fitting(rows: Sequence[Membership]) -> int:
    """How many of the rows have at most 700 channels together; one of 500 always fits."""
    channels = 0
    for number, row in enumerate(rows):
        channels += row.server.channel_count
        if channels > LISTED_CHANNELS_MAX:
            return max(number, 1)
    return len(rows)
