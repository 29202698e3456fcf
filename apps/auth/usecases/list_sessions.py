"""The caller's sessions, a page at a time."""

from apps.auth.ports import UnitOfWork
from shared.contracts.account import ListSessions, Sessions
from shared.contracts.clock import Clock
from shared.contracts.paging import Listing, Place


async def list_sessions(request: ListSessions, unit: UnitOfWork, clock: Clock) -> Sessions:
    """Active sessions, the one used last first; the caller's own is marked `current`."""
    listing = Listing("sessions", request.profile_id)
    after = listing.start(request.cursor)
    found = await unit.sessions.page(request.profile_id, clock.now(), after, request.limit + 1)
    shown, following = listing.cut(found, request.limit, lambda row: Place(row.last_used_at, row.id))
    return Sessions(items=[session.shown(request.session_id) for session in shown], next=following)
