"""session.revoke"""

from apps.auth.ports import UnitOfWork
from apps.auth.usecases.token_issuing import end_sessions
from shared.contracts.account import RevokeSession
from shared.contracts.clock import Clock
from shared.contracts.errors import SESSION_NOT_FOUND


async def revoke_session(request: RevokeSession, unit: UnitOfWork, clock: Clock) -> None:
    """End a session of the caller and publish `session.revoked`.

    Raises `session.not_found` for a session that has ended, is unknown, or belongs to someone else.
    """
    account = await unit.accounts.lock(request.profile_id)
    session = await unit.sessions.by_id(request.revoked_id)
    now = clock.now()
    if not (account and session and session.profile_id == account.id and session.active(now)):
        raise SESSION_NOT_FOUND.exception("You have no active session with this id.")
    await end_sessions(unit, account, [session], now)
