"""Sessions and tokens: steps of several use cases, all under the lock of the account."""

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
    """The dependencies of issuing tokens."""

    access: AccessTokens
    clock: Clock
    ids: Ids
    policy: SessionPolicy


def unwrap(outcome: A | ServiceError) -> A:
    """Return the answer or raise the error.

    Call it after the transaction: an error raised within would roll back what the error has changed.
    """
    if isinstance(outcome, ServiceError):
        raise outcome
    return outcome


async def open_first_session(
    unit: UnitOfWork, account: Account, call_id: str, request: SignUp, issuer: Issuer
) -> SignedIn:
    """Open the session of an account that this transaction has created.

    Nothing else can belong to the account yet, so no statement looks for sessions or tokens.
    """
    session = _new_session(account, call_id, request, issuer)
    await unit.sessions.add(session)
    return _signed_in(account, await _add_token(unit, session, call_id, issuer))


async def open_session(
    unit: UnitOfWork, account: Account, call_id: str, request: SignIn | SignUp, issuer: Issuer
) -> SignedIn | ServiceError:
    """Open a session, or find the one that this call opened when it was delivered before.

    Returns `credentials.invalid` if that session has ended meanwhile, or is ended by this call.
    """
    session = await unit.sessions.opened_by(account.id, call_id)
    if session is None:
        account = await _end_excess_sessions(unit, account, issuer)
        session = _new_session(account, call_id, request, issuer)
        await unit.sessions.add(session)
    is_active = session.active(issuer.clock.now())
    tokens = await issue_tokens(unit, account, session, call_id, issuer) if is_active else None
    if tokens is None:
        return CREDENTIALS_INVALID.exception("The session of this sign-in has ended.")
    return _signed_in(account, tokens)


async def issue_tokens(
    unit: UnitOfWork, account: Account, session: Session, call_id: str, issuer: Issuer
) -> Tokens | None:
    """Return an access token and a successor of the session's current refresh token.

    If there are too many unused successors, end the session and return None: no honest client loses that many
    answers in a row, and a deleted successor could be reused unnoticed.
    """
    if await unit.refresh_tokens.count(session.id, session.generation + 1) >= SUCCESSORS_MAX:
        await end_sessions(unit, account, [session], issuer.clock.now())
        return None
    tokens = await _add_token(unit, session, call_id, issuer)
    await unit.refresh_tokens.remove(session.id, before=session.generation + 1 - TRAIL_MAX)
    return tokens


async def end_sessions(
    unit: UnitOfWork, account: Account, sessions: Iterable[Session], now: datetime
) -> Account:
    """End sessions of a locked account and publish `session.revoked`; return the account as stored."""
    for session in sessions:
        account = account.bumped()
        await unit.sessions.save(session.ended(now))
        revoked = SessionRevoked(session_id=session.id, profile_id=account.id)
        await unit.events.publish(SESSION_REVOKED, account.id, account.revision, revoked)
    await unit.accounts.save(account)
    return account


def _new_session(account: Account, call_id: str, request: SignIn | SignUp, issuer: Issuer) -> Session:
    now = issuer.clock.now()
    return Session(
        id=issuer.ids.new(),
        profile_id=account.id,
        user_agent=clean_user_agent(request.user_agent),
        network=request.network,
        opened_by=call_id or None,  # without an id a redelivery cannot be recognized
        created_at=now,
        last_used_at=now,
        expires_at=now + issuer.policy.refresh_ttl,
    )


async def _add_token(unit: UnitOfWork, session: Session, call_id: str, issuer: Issuer) -> Tokens:
    now = issuer.clock.now()
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
    access = issuer.access.issue(session.profile_id, session.id)
    return Tokens(access_token=access, refresh_token=text, expires_in_s=issuer.access.ttl_s)


def _signed_in(account: Account, tokens: Tokens) -> SignedIn:
    return SignedIn(
        profile=account.profile(),
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in_s=tokens.expires_in_s,
    )


async def _end_excess_sessions(unit: UnitOfWork, account: Account, issuer: Issuer) -> Account:
    """End the sessions used longest ago, so that one more stays within the limit."""
    now = issuer.clock.now()
    active = await unit.sessions.active(account.id, now)
    if excess := active[issuer.policy.sessions_max - 1 :]:
        return await end_sessions(unit, account, excess, now)
    return account
