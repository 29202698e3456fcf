"""Ports of the auth service: the Protocols that its use cases depend on."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from apps.auth.domain.account import Account
from apps.auth.domain.keys import KeyPair, KeyRing
from apps.auth.domain.session import RefreshToken, Session
from shared.contracts.account import Claims, Jwks, Profile, PublicProfile
from shared.contracts.base import Answer
from shared.contracts.event import EventType
from shared.contracts.paging import Cursor


class Accounts(Protocol):
    """The accounts of one transaction."""

    async def add(self, account: Account) -> bool:
        """Store a new account; return False, without storing it, if its e-mail has an account."""

    async def by_id(self, profile_id: UUID) -> Account | None: ...

    async def by_email(self, email: str) -> Account | None: ...

    async def lock(self, profile_id: UUID) -> Account | None:
        """Lock the account, its sessions and its tokens until the end of the transaction.

        This is the only lock of this service: sessions and tokens change under the lock of their account.
        """

    async def save(self, account: Account) -> None: ...

    async def public(self, profile_ids: Collection[UUID]) -> list[PublicProfile]:
        """Return those that exist, ordered by id."""


class Sessions(Protocol):
    """The sessions of one transaction."""

    async def add(self, session: Session) -> None: ...

    async def by_id(self, session_id: UUID) -> Session | None: ...

    async def opened_by(self, profile_id: UUID, call_id: str) -> Session | None:
        """Return the session that a call opened."""

    async def opened_from(self, profile_id: UUID, network: str) -> bool:
        """Return True if a stored session, active or ended, was opened from this network."""

    async def save(self, session: Session) -> None: ...

    async def active(self, profile_id: UUID, now: datetime) -> list[Session]:
        """Return all active sessions, the one used last first."""

    async def page(self, profile_id: UUID, now: datetime, after: Cursor | None, limit: int) -> list[Session]:
        """Return active sessions after the cursor, the one used last first."""


class RefreshTokens(Protocol):
    """The refresh tokens of one transaction."""

    async def add(self, token: RefreshToken) -> None: ...

    async def by_digest(self, session_id: UUID, digest: bytes) -> RefreshToken | None: ...

    async def were_given_to(self, session_id: UUID, call_id: str) -> bool:
        """Return True if this call was answered with a token of this session."""

    async def count(self, session_id: UUID, generation: int) -> int:
        """Return the number of tokens of a generation."""

    async def remove(self, session_id: UUID, *, before: int) -> None:
        """Delete the tokens of the generations before `before`."""


class Attempts(Protocol):
    """Counters of wrong passwords by key, as theoretical arrival times (see `shared.contracts.gcra`)."""

    async def lock(self, keys: Collection[bytes]) -> dict[bytes, int]:
        """Lock the counters until the end of the transaction; return them in microseconds since the epoch."""

    async def save(self, tats_us: Mapping[bytes, int]) -> None:
        """Update counters that this transaction has locked."""

    async def remove(self, keys: Collection[bytes]) -> None:
        """Delete counters that this transaction has locked; a deleted one counts as fully refunded."""


class Events(Protocol):
    """The events of one transaction."""

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer, /) -> None:
        """Publish an event of the aggregate `key` if, and only if, the transaction commits."""


class UnitOfWork(Protocol):
    """The repositories of one transaction."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def refresh_tokens(self) -> RefreshTokens: ...
    @property
    def attempts(self) -> Attempts: ...
    @property
    def events(self) -> Events: ...


class UnitOfWorkFactory(Protocol):
    """Begins transactions, for use cases that need more than one."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Commit at the end of the block; roll back if it raises."""

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Read everything as of one moment."""


class ProfileReader(Protocol):
    """Reads a profile without a transaction, for the hot path."""

    async def profile(self, profile_id: UUID) -> Profile | None: ...


class Passwords(Protocol):
    """Slow password hashes. `hash` and `verify` raise `mesh.busy` if too many are waiting."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return True if the password matches. Without a hash, take as long and return False."""

    def outdated(self, password_hash: str) -> bool:
        """Return True if the hash was made with other parameters than the current ones."""


class Keys(Protocol):
    """The stored keys of one purpose: signing or sealing."""

    async def all(self) -> list[KeyPair]: ...

    async def add(self, key: KeyPair) -> None:
        """Store a key unless one with its number is stored already."""

    async def remove(self, numbers: Sequence[int]) -> None: ...


class KeyGenerator(Protocol):
    """Generates key pairs."""

    def new(self, number: int, created_at: datetime, used_from: datetime) -> KeyPair: ...


class KeyHolder(Protocol):
    """Something that works with the stored keys."""

    def use(self, ring: KeyRing) -> None: ...


class Sealing(KeyHolder, Protocol):
    """Opens what is sealed to this service, with the keys passed to `use`."""

    def published(self) -> Jwks: ...


class AccessTokens(KeyHolder, Protocol):
    """Signs and verifies access tokens with the keys passed to `use`."""

    @property
    def ttl_s(self) -> int: ...

    def issue(self, profile_id: UUID, session_id: UUID) -> str: ...

    def verify(self, token: str) -> Claims:
        """Return the claims without checking the session. Raises `token.invalid` or `token.expired`."""

    def published(self) -> Jwks: ...


class ExpiredRows(Protocol):
    """Deletes expired rows, at most `limit` at a time; each method returns the number of deleted rows."""

    async def remove_tokens(self, expired_before: datetime, limit: int) -> int:
        """Delete tokens that expired, or whose session ended, before then."""

    async def remove_sessions(self, expired_before: datetime, limit: int) -> int:
        """Delete sessions that ended or expired before then and have no tokens left."""

    async def remove_attempts(self, expired_before: datetime, limit: int) -> int:
        """Delete counters that were fully refunded before then: a missing one means the same."""
