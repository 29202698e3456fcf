"""user.refresh"""

from dataclasses import replace

from apps.auth.domain.account import Account
from apps.auth.domain.session import (
    RefreshToken,
    Session,
    TokenState,
    clean_user_agent,
    digest_of,
    session_of,
    state_of,
)
from apps.auth.ports import UnitOfWork, UnitOfWorkFactory
from apps.auth.usecases.token_issuing import Issuer, end_sessions, issue_tokens, unwrap
from shared.contracts.account import Refresh, Tokens
from shared.contracts.errors import TOKEN_EXPIRED, TOKEN_INVALID, ServiceError

_USED_TOO_OFTEN = "This refresh token was used too often; its session has been ended. Sign in again."


async def refresh_tokens(request: Refresh, call_id: str, units: UnitOfWorkFactory, issuer: Issuer) -> Tokens:
    """Issue an access token and a successor of the refresh token.

    * A good token may be used repeatedly, each time for another successor, until one of those is used: then
      the token and its other successors are dead.
    * The use of a dead token ends the session, because someone has a copy; except if Kafka delivers a request
      again that was answered before.
    * A token with too many unused successors ends the session too: no successor is ever deleted.
    * Raises `token.invalid` for an unknown token or one of an ended session, `token.expired` for an old one.
    """
    async with units.transaction() as unit:
        outcome = await _rotate(request, call_id, unit, issuer)
    return unwrap(outcome)


async def _rotate(request: Refresh, call_id: str, unit: UnitOfWork, issuer: Issuer) -> Tokens | ServiceError:
    account, session, token = await _find(request.refresh_token, unit)
    match state_of(session, token, issuer.clock.now()):
        case TokenState.GOOD:
            assert account is not None and session is not None and token is not None
            session = _used(session, token, request, issuer)
            await unit.sessions.save(session)
            tokens = await issue_tokens(unit, account, session, call_id, issuer)
            return tokens or TOKEN_INVALID.exception(_USED_TOO_OFTEN)
        case TokenState.EXPIRED:
            return TOKEN_EXPIRED.exception("The refresh token has expired.")
        case TokenState.DEAD:
            assert account is not None and session is not None
            if not await unit.refresh_tokens.were_given_to(session.id, call_id):
                await end_sessions(unit, account, [session], issuer.clock.now())
    return TOKEN_INVALID.exception("The refresh token is not valid.")


async def _find(text: str, unit: UnitOfWork) -> tuple[Account | None, Session | None, RefreshToken | None]:
    """Lock the account; return it with the session and the token, as read under the lock."""
    session_id = session_of(text)
    unlocked = await unit.sessions.by_id(session_id) if session_id else None
    if unlocked is None:
        return None, None, None
    account = await unit.accounts.lock(unlocked.profile_id)
    session = await unit.sessions.by_id(unlocked.id)
    return account, session, await unit.refresh_tokens.by_digest(unlocked.id, digest_of(text))


def _used(session: Session, token: RefreshToken, request: Refresh, issuer: Issuer) -> Session:
    now = issuer.clock.now()
    session = session.advanced(token, now, now + issuer.policy.refresh_ttl)
    return replace(session, user_agent=clean_user_agent(request.user_agent) or session.user_agent)
