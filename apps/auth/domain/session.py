"""Sessions and their refresh tokens: the rule of rotation.

A session has at most one *current* refresh token: the one that was used last. The tokens given for
it are the next generation, all as yet unused. The first of them that is used becomes the current one.
So good are the current token and the generation after it; whatever else was ever given is dead. That
follows from the session alone: the row of a token is never changed.
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
"""Unused successors of one token. None of them is forgotten: one more would end the session instead."""
TRAIL_MAX = 5_000
"""Generations of dead tokens that are remembered, so that their reuse is noticed."""

_REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """How long tokens live and how many sessions a person may have."""

    refresh_ttl: timedelta = timedelta(days=30)
    sessions_max: int = 100
    keep: timedelta = timedelta(days=7)
    """How long what is over is still known, so that its token is told to have expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in. `opened_by` is the call that opened it, by which a redelivery is known."""

    id: UUID
    profile_id: UUID
    user_agent: str | None
    network: str | None = None
    """Where it was opened from: an IPv4 address, or the /64 of an IPv6 one."""
    opened_by: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    generation: int = 0
    """That of the current token; 0 while none was used."""
    current: bytes | None = field(default=None, repr=False)
    """Digest of the current token."""

    def active(self, now: datetime) -> bool:
        """Whether it is neither ended nor run out."""
        return self.ended_at is None and now < self.expires_at

    def ended(self, now: datetime) -> "Session":
        """Over, from now on."""
        return replace(self, ended_at=now)

    def advanced(self, token: "RefreshToken", now: datetime, expires_at: datetime) -> "Session":
        """After a use of a good token; a successor becomes the current one."""
        return replace(
            self, current=token.digest, generation=token.generation, last_used_at=now, expires_at=expires_at
        )

    def shown(self, current_id: UUID) -> contract.Session:
        """As its owner sees it, from the session `current_id`."""
        return contract.Session(
            id=self.id,
            created_at=self.created_at,
            last_used_at=self.last_used_at,
            user_agent=self.user_agent,
            current=self.id == current_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token as it is stored: its digest, never itself."""

    session_id: UUID
    digest: bytes = field(repr=False)
    generation: int
    given_to: str | None
    """The call that it answered, by which a redelivery is known."""
    created_at: datetime
    expires_at: datetime


class TokenState(Enum):
    """What a refresh token is worth now."""

    GOOD = auto()
    DEAD = auto()
    EXPIRED = auto()
    UNKNOWN = auto()


def standing(session: Session | None, token: RefreshToken | None, now: datetime) -> TokenState:
    """Judge a token. What has expired is harmless, so it is not held against the session."""
    if session is None or token is None or session.ended_at is not None:
        return TokenState.UNKNOWN
    if now >= token.expires_at:
        return TokenState.EXPIRED
    if token.digest == session.current or token.generation == session.generation + 1:
        return TokenState.GOOD
    return TokenState.DEAD


def new_refresh_text(session_id: UUID) -> str:
    """A fresh refresh token: the session, and 32 random bytes."""
    return f"{session_id.hex}.{token_urlsafe(32)}"


def session_of(refresh_text: str) -> UUID | None:
    """The session that a refresh token names; None when it is not of our making."""
    match = _REFRESH_TOKEN.fullmatch(refresh_text)
    return None if match is None else UUID(hex=match[1])


def digest_of(refresh_text: str) -> bytes:
    """What is stored of a refresh token; its secret has 256 bits, so one round of SHA-256 will do."""
    return sha256(refresh_text.encode()).digest()


def clean_user_agent(text: str | None) -> str | None:
    """What is kept of a user agent: at most 256 characters, no NUL; None when nothing is left."""
    return None if text is None else text.replace("\0", "").strip()[:USER_AGENT_MAX] or None
