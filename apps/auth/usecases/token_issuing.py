"""The steps that several use cases take with sessions, all under the lock of the account."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from apps.auth.domain.account import Account
from apps.auth.domain.session import (
    SUCCESSORS_MAX,
    TRAIL_MAX,
    RefreshToken,
    Session,
    SessionPolicy,
    clean_user_agent,
    digest_of,
    new_refresh_text,
)
from apps.auth.ports import AccessTokens, UnitOfWork
from shared.contracts.account import SignedIn, SignIn, SignUp, Tokens
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import CREDENTIALS_INVALID, ServiceError
from shared.contracts.event import SESSION_REVOKED, SessionRevoked

A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What it takes to give tokens."""

    access: AccessTokens
    clock: Clock
    ids: Ids
    policy: SessionPolicy


def settled(outcome: A | ServiceError) -> A:
    """The answer, or its refusal raised: after the transaction, so that what the refusal did is kept."""
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


async def enter(
    unit: UnitOfWork, account: Account, call_id: str, request: SignIn | SignUp, issuer: Issuer
) -> SignedIn | ServiceError:
    """Sign a person in: a new session, or the one that this very call opened when it came before.

    A session that has been ended meanwhile, or is ended by this, stays ended: `credentials.invalid`.
    """
    now = issuer.clock.now()
    session = await unit.sessions.opened_by(account.id, call_id)
    if session is None:
        account = await _make_room(unit, account, issuer)
        session = Session(
            id=issuer.ids.new(),
            profile_id=account.id,
            user_agent=clean_user_agent(request.user_agent),
            network=request.network,
            opened_by=call_id or None,  # what has no id is never known again
            created_at=now,
            last_used_at=now,
            expires_at=now + issuer.policy.refresh_ttl,
        )
        await unit.sessions.add(session)
    tokens = await give_tokens(unit, account, session, call_id, issuer) if session.active(now) else None
    if tokens is None:
        return CREDENTIALS_INVALID.exception("The session of this sign-in has been ended.")
    return SignedIn(
        profile=account.profile(),
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in_s=tokens.expires_in_s,
    )


async def give_tokens(
    unit: UnitOfWork, account: Account, session: Session, call_id: str, issuer: Issuer
) -> Tokens | None:
    """A new pair: an access token, and a successor of the session's current refresh token.

    None, and the session is ended, when there are too many unused successors: no honest client loses
    that many answers in a row, and one that were forgotten could come back unnoticed.
    """
    now = issuer.clock.now()
    if await unit.refresh_tokens.count(session.id, session.generation + 1) >= SUCCESSORS_MAX:
        await end_sessions(unit, account, [session], now)
        return None
    text = new_refresh_text(session.id)
    token = RefreshToken(
        session_id=session.id,
        digest=digest_of(text),
        generation=session.generation + 1,
        given_to=call_id or None,
        created_at=now,
        expires_at=now + issuer.policy.refresh_ttl,
    )
    await unit.refresh_tokens.add(token)
    await unit.refresh_tokens.forget(session.id, before=token.generation - TRAIL_MAX)
    access = issuer.access.issue(session.profile_id, session.id)
    return Tokens(access_token=access, refresh_token=text, expires_in_s=issuer.access.ttl_s)


async def end_sessions(
    unit: UnitOfWork, account: Account, sessions: Iterable[Session], now: datetime
) -> Account:
    """End sessions of a locked account, and tell; gives the account as it is now stored."""
    for session in sessions:
        account = account.bumped()
        await unit.sessions.save(session.ended(now))
        gone = SessionRevoked(session_id=session.id, profile_id=account.id)
        await unit.events.publish(SESSION_REVOKED, account.id, account.revision, gone)
    await unit.accounts.save(account)
    return account


async def _make_room(unit: UnitOfWork, account: Account, issuer: Issuer) -> Account:
    """End the sessions used longest ago when there would be more than a person may have."""
    now = issuer.clock.now()
    active = await unit.sessions.active(account.id, now)
    if surplus := active[issuer.policy.sessions_max - 1 :]:
        return await end_sessions(unit, account, surplus, now)
    return account
