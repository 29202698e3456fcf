"""user.verifyToken, for other services"""

from apps.auth.ports import AccessTokens, UnitOfWork
from shared.contracts.account import VerifiedToken, VerifyToken
from shared.contracts.clock import Clock
from shared.contracts.errors import TOKEN_INVALID


async def verify_token(
    request: VerifyToken, unit: UnitOfWork, access: AccessTokens, clock: Clock
) -> VerifiedToken:
    """Return the profile and the claims of a valid access token.

    Unlike a gateway this checks the session itself: after its end the token is `token.invalid` at once.
    """
    claims = access.verify(request.token)
    session = await unit.sessions.by_id(claims.sid)
    account = await unit.accounts.by_id(claims.sub)
    if not (account and session and session.profile_id == account.id and session.active(clock.now())):
        raise TOKEN_INVALID.exception("The access token is not valid: its session has ended.")
    return VerifiedToken(profile=account.profile(), claims=claims)
