"""Refresh: new tokens for an old refresh token."""

from dataclasses import replace

from apps.auth.domain.account import Account
from apps.auth.domain.session import (
    RefreshToken,
    Session,
    TokenState,
    clean_user_agent,
    digest_of,
    session_of,
    standing,
)
from apps.auth.ports import UnitOfWork, UnitOfWorkFactory
from apps.auth.usecases.token_issuing import Issuer, end_sessions, give_tokens, settled
from shared.contracts.account import Refresh, Tokens
from shared.contracts.errors import TOKEN_EXPIRED, TOKEN_INVALID, ServiceError

_TOO_MANY = "This refresh token was used too often, so its session has been ended. Sign in again."


async def refresh_tokens(request: Refresh, call_id: str, units: UnitOfWorkFactory, issuer: Issuer) -> Tokens:
    """Give a successor of a refresh token.

    * A good token may be used again, each time for another successor, until one of those is used:
      then it is dead, and so are the other successors.
    * A dead token that comes back ends the whole session: somebody has a copy. Unless it is a
      request that has been answered before, delivered again.
    * One successor more than a token may have unused ends the session too: none is ever forgotten.
    * Unknown ones and those of an ended session are `token.invalid`, old ones `token.expired`.
    """
    async with units.transaction() as unit:
        outcome = await _rotate(request, call_id, unit, issuer)
    return settled(outcome)


async def _rotate(request: Refresh, call_id: str, unit: UnitOfWork, issuer: Issuer) -> Tokens | ServiceError:
    account, session, token = await _find(request.refresh_token, unit)
    match standing(session, token, issuer.clock.now()):
        case TokenState.GOOD:
            assert account is not None and session is not None and token is not None
            session = _used(session, token, request, issuer)
            await unit.sessions.save(session)
            tokens = await give_tokens(unit, account, session, call_id, issuer)
            return tokens or TOKEN_INVALID.exception(_TOO_MANY)
        case TokenState.EXPIRED:
            return TOKEN_EXPIRED.exception("The refresh token has expired.")
        case TokenState.DEAD:
            assert account is not None and session is not None
            if not await unit.refresh_tokens.were_given_to(session.id, call_id):
                await end_sessions(unit, account, [session], issuer.clock.now())
    return TOKEN_INVALID.exception("The refresh token is not valid.")


async def _find(text: str, unit: UnitOfWork) -> tuple[Account | None, Session | None, RefreshToken | None]:
    """Read the token and its session under the lock of its account."""
    session_id = session_of(text)
    known = await unit.sessions.by_id(session_id) if session_id else None
    if known is None:
        return None, None, None
    account = await unit.accounts.lock(known.profile_id)
    session = await unit.sessions.by_id(known.id)
    return account, session, await unit.refresh_tokens.by_digest(known.id, digest_of(text))


def _used(session: Session, token: RefreshToken, request: Refresh, issuer: Issuer) -> Session:
    now = issuer.clock.now()
    session = session.advanced(token, now, now + issuer.policy.refresh_ttl)
    return replace(session, user_agent=clean_user_agent(request.user_agent) or session.user_agent)
