"""The unit of work in memory: the repositories over the rows of a transaction."""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.auth.domain.account import Account
from apps.auth.domain.session import RefreshToken, Session
from shared.contracts.account import PublicProfile
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.paging import Cursor


@dataclass(frozen=True, slots=True)
class Published:
    """An event as a use case published it."""

    event_type: EventType
    key: UUID
    revision: int
    data: Answer


@dataclass
class Rows:
    """All rows. Rows are immutable, so copying the dictionaries copies everything."""

    accounts: dict[UUID, Account] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    tokens: dict[bytes, RefreshToken] = field(default_factory=dict)
    attempts: dict[bytes, int] = field(default_factory=dict)
    events: list[Published] = field(default_factory=list)

    def copied(self) -> "Rows":
        """Return a copy to work on."""
        return Rows(
            copy(self.accounts),
            copy(self.sessions),
            copy(self.tokens),
            copy(self.attempts),
            copy(self.events),
        )


class MemoryAccounts:
    """`Accounts` in memory."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows.accounts

    async def add(self, account: Account) -> bool:
        if await self.by_email(account.email) is not None:
            return False
        self._rows[account.id] = account
        return True

    async def by_id(self, profile_id: UUID) -> Account | None:
        return self._rows.get(profile_id)

    async def by_email(self, email: str) -> Account | None:
        return next((account for account in self._rows.values() if account.email == email), None)

    async def lock(self, profile_id: UUID) -> Account | None:
        return self._rows.get(profile_id)

    async def save(self, account: Account) -> None:
        self._rows[account.id] = account

    async def public(self, profile_ids: Collection[UUID]) -> list[PublicProfile]:
        return [self._rows[row_id].public() for row_id in sorted(set(profile_ids) & self._rows.keys())]


class MemorySessions:
    """`Sessions` in memory."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows.sessions

    async def add(self, session: Session) -> None:
        self._rows[session.id] = session

    async def by_id(self, session_id: UUID) -> Session | None:
        return self._rows.get(session_id)

    async def opened_by(self, profile_id: UUID, call_id: str) -> Session | None:
        own = (session for session in self._rows.values() if session.profile_id == profile_id)
        return next((session for session in own if session.opened_by == call_id), None)

    async def opened_from(self, profile_id: UUID, network: str) -> bool:
        own = (session for session in self._rows.values() if session.profile_id == profile_id)
        return any(session.network == network for session in own)

    async def save(self, session: Session) -> None:
        self._rows[session.id] = session

    async def active(self, profile_id: UUID, now: datetime) -> list[Session]:
        own = (session for session in self._rows.values() if session.profile_id == profile_id)
        return sorted((session for session in own if session.active(now)), key=_cursor_of, reverse=True)

    async def page(self, profile_id: UUID, now: datetime, after: Cursor | None, limit: int) -> list[Session]:
        active = await self.active(profile_id, now)
        return [session for session in active if after is None or _cursor_of(session) < after][:limit]


class MemoryRefreshTokens:
    """`RefreshTokens` in memory."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows.tokens

    async def add(self, token: RefreshToken) -> None:
        self._rows[token.digest] = token

    async def by_digest(self, session_id: UUID, digest: bytes) -> RefreshToken | None:
        token = self._rows.get(digest)
        return token if token is not None and token.session_id == session_id else None

    async def were_given_to(self, session_id: UUID, call_id: str) -> bool:
        return any(token.given_to == call_id for token in self._of(session_id))

    async def count(self, session_id: UUID, generation: int) -> int:
        return sum(token.generation == generation for token in self._of(session_id))

    async def remove(self, session_id: UUID, *, before: int) -> None:
        for token in self._of(session_id):
            if token.generation < before:
                del self._rows[token.digest]

    def _of(self, session_id: UUID) -> list[RefreshToken]:
        return [token for token in self._rows.values() if token.session_id == session_id]


class MemoryAttempts:
    """`Attempts` in memory."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows.attempts

    async def lock(self, keys: Collection[bytes]) -> dict[bytes, int]:
        return {key: self._rows.setdefault(key, 0) for key in keys}

    async def save(self, tats_us: Mapping[bytes, int]) -> None:
        self._rows.update(tats_us)

    async def remove(self, keys: Collection[bytes]) -> None:
        for key in keys:
            del self._rows[key]


class MemoryEvents:
    """`Events` in memory."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows.events

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        self._rows.append(Published(event_type, key, revision, data))


class MemoryUnitOfWork:
    """`UnitOfWork` in memory."""

    def __init__(self, rows: Rows) -> None:
        self.accounts = MemoryAccounts(rows)
        self.sessions = MemorySessions(rows)
        self.refresh_tokens = MemoryRefreshTokens(rows)
        self.attempts = MemoryAttempts(rows)
        self.events = MemoryEvents(rows)


def _cursor_of(session: Session) -> Cursor:
    return Cursor(session.last_used_at, session.id)
