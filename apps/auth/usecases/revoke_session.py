"""Revoke: end one of the caller's sessions, from any other."""

from apps.auth.ports import UnitOfWork
from apps.auth.usecases.token_issuing import end_sessions
from shared.contracts.account import RevokeSession
from shared.contracts.clock import Clock
from shared.contracts.errors import SESSION_NOT_FOUND


async def revoke_session(request: RevokeSession, unit: UnitOfWork, clock: Clock) -> None:
    """End a session and tell by `session.revoked`.

    One that is over, unknown or somebody else's is `session.not_found`; which of them is not told.
    """
    account = await unit.accounts.lock(request.profile_id)
    session = await unit.sessions.by_id(request.revoked_id)
    now = clock.now()
    if not (account and session and session.profile_id == account.id and session.active(now)):
        raise SESSION_NOT_FOUND.exception("You have no such session.")
    await end_sessions(unit, account, [session], now)
