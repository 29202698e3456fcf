"""The caller's sessions, a page at a time."""

from apps.auth.domain.place import Place, place_of
from apps.auth.ports import Unit
from shared.contracts.account import ListSessions, Sessions
from shared.contracts.clock import Clock


async def list_sessions(request: ListSessions, unit: Unit, clock: Clock) -> Sessions:
    """Active sessions, the one used last first; the caller's own is marked `current`."""
    after = None if request.cursor is None else place_of(request.cursor)
    found = await unit.sessions.page(request.profile_id, clock.now(), after, request.limit + 1)
    page = found[: request.limit]
    more = len(found) > len(page)
    return Sessions(
        items=[session.shown(request.session_id) for session in page],
        next=Place(page[-1].last_used_at, page[-1].id).cursor() if more else None,
    )
