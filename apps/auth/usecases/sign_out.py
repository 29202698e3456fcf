"""user.signout"""

from apps.auth.ports import UnitOfWork
from apps.auth.usecases.token_issuing import end_sessions
from shared.contracts.account import SignOut
from shared.contracts.clock import Clock


async def sign_out(request: SignOut, unit: UnitOfWork, clock: Clock) -> None:
    """End the caller's own session and publish `session.revoked`; do nothing if it has ended already."""
    account = await unit.accounts.lock(request.profile_id)
    session = await unit.sessions.by_id(request.session_id)
    now = clock.now()
    if account and session and session.profile_id == account.id and session.active(now):
        await end_sessions(unit, account, [session], now)
