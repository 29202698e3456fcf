"""get.involved.server"""

from collections.abc import Sequence

from apps.server.domain.channels import LISTED_CHANNELS_MAX
from apps.server.domain.members import Membership
from apps.server.ports import UnitOfWork
from shared.contracts.paging import Cursor, Listing
from shared.contracts.server import ListServers, Servers


async def list_servers(request: ListServers, unit: UnitOfWork) -> Servers:
    """Return a page of the caller's servers with their channels, in the order of joining.

    * A page ends early if its servers would have more than 700 channels in total, so that it fits into one
      Kafka record; `next` leads to the rest.
    """
    listing = Listing("servers", request.profile_id)
    rows = await unit.servers.page(request.profile_id, listing.decode(request.cursor), request.limit + 1)
    size = min(request.limit, _fitting_count(rows))
    page, next_cursor = listing.split(rows, size, lambda row: Cursor(row.joined_at, row.server.id))
    channels = await unit.channels.of_servers([row.server.id for row in page])
    items = [row.server.answer(channels.get(row.server.id, [])) for row in page]
    return Servers(items=items, next=next_cursor)


def _fitting_count(rows: Sequence[Membership]) -> int:
    """Return how many rows have at most 700 channels in total: at least one, as a server has at most 500."""
    channels = 0
    for number, row in enumerate(rows):
        channels += row.server.channel_count
        if channels > LISTED_CHANNELS_MAX:
            return max(number, 1)
    return len(rows)
