"""session.list"""

from apps.auth.ports import UnitOfWork
from shared.contracts.account import ListSessions, Sessions
from shared.contracts.clock import Clock
from shared.contracts.paging import Cursor, Listing


async def list_sessions(request: ListSessions, unit: UnitOfWork, clock: Clock) -> Sessions:
    """Return a page of active sessions, the one used last first; the caller's own is marked `current`."""
    listing = Listing("sessions", request.profile_id)
    after = listing.decode(request.cursor)
    rows = await unit.sessions.page(request.profile_id, clock.now(), after, request.limit + 1)
    page, next_cursor = listing.split(rows, request.limit, lambda row: Cursor(row.last_used_at, row.id))
    return Sessions(items=[session.answer(request.session_id) for session in page], next=next_cursor)
