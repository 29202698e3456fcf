"""Sessions and the rotation of their refresh tokens.

A session has at most one *current* refresh token: the one used last. The tokens issued for it form the next
generation; they are unused. The first of them to be used becomes the current one. So the current token and
its next generation are good, and all others are dead. This follows from the session alone: the row of a token
is never changed.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID

from shared.contracts import account as contract

USER_AGENT_MAX = 256
SUCCESSORS_MAX = 100
"""Unused successors of one token. None of them is deleted: one more ends the session instead."""
TRAIL_MAX = 5_000
"""Generations of dead tokens that are kept so that their reuse is detected."""

_REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """Life of tokens, and sessions of one account."""

    refresh_ttl: timedelta = timedelta(days=30)
    sessions_max: int = 100
    keep: timedelta = timedelta(days=7)
    """Period for which ended sessions are kept, so that their tokens are reported as expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in. `opened_by` is the id of the call that opened it, which identifies a redelivery."""

    id: UUID
    profile_id: UUID
    user_agent: str | None
    network: str | None = None
    """Network of the client that opened it: an IPv4 address, or the /64 of an IPv6 address."""
    opened_by: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    generation: int = 0
    """Generation of the current token; 0 before the first use of a token."""
    current: bytes | None = field(default=None, repr=False)
    """SHA-256 of the current token."""

    def active(self, now: datetime) -> bool:
        """Return True if the session has neither ended nor expired."""
        return self.ended_at is None and now < self.expires_at

    def ended(self, now: datetime) -> "Session":
        """Return the session, ended."""
        return replace(self, ended_at=now)

    def advanced(self, token: "RefreshToken", now: datetime, expires_at: datetime) -> "Session":
        """Return the session after the use of a good token, which becomes the current one."""
        return replace(
            self, current=token.digest, generation=token.generation, last_used_at=now, expires_at=expires_at
        )

    def answer(self, current_id: UUID) -> contract.Session:
        """Return the session as its owner sees it from the session `current_id`."""
        return contract.Session(
            id=self.id,
            created_at=self.created_at,
            last_used_at=self.last_used_at,
            user_agent=self.user_agent,
            current=self.id == current_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A stored refresh token: its digest, never the token."""

    session_id: UUID
    digest: bytes = field(repr=False)
    generation: int
    given_to: str | None
    """Id of the call that it answered, which identifies a redelivery."""
    created_at: datetime
    expires_at: datetime


class TokenState(Enum):
    """The state of a refresh token."""

    GOOD = auto()
    DEAD = auto()
    EXPIRED = auto()
    UNKNOWN = auto()


def state_of(session: Session | None, token: RefreshToken | None, now: datetime) -> TokenState:
    """Return the state of a token. An expired token is harmless; its reuse does not end the session."""
    if session is None or token is None or session.ended_at is not None:
        return TokenState.UNKNOWN
    if now >= token.expires_at:
        return TokenState.EXPIRED
    if token.digest == session.current or token.generation == session.generation + 1:
        return TokenState.GOOD
    return TokenState.DEAD


def new_refresh_text(session_id: UUID) -> str:
    """Return a new refresh token: the session's id and 32 random bytes."""
    return f"{session_id.hex}.{token_urlsafe(32)}"


def session_of(refresh_text: str) -> UUID | None:
    """Return the id of the session in a refresh token; None if the text is malformed."""
    match = _REFRESH_TOKEN.fullmatch(refresh_text)
    return None if match is None else UUID(hex=match[1])


def digest_of(refresh_text: str) -> bytes:
    """Return the SHA-256 of a refresh token; one round suffices for a secret of 256 bits."""
    return sha256(refresh_text.encode()).digest()


def clean_user_agent(text: str | None) -> str | None:
    """Return at most 256 characters of a user agent, without NUL; None if nothing is left."""
    return None if text is None else text.replace("\0", "").strip()[:USER_AGENT_MAX] or None
