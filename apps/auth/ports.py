"""What the use cases of auth need from outside."""

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
from shared.contracts.paging import Place


class Accounts(Protocol):
    """The accounts of one transaction."""

    async def add(self, account: Account) -> bool:
        """Store a new account; False, and nothing stored, when its e-mail has one."""

    async def by_id(self, profile_id: UUID) -> Account | None: ...

    async def by_email(self, email: str) -> Account | None: ...

    async def lock(self, profile_id: UUID) -> Account | None:
        """Read an account and keep everyone else from changing it, and all that is its, until the end.

        The one lock of this service: sessions and tokens change under the lock of their account.
        """

    async def save(self, account: Account) -> None: ...

    async def public(self, profile_ids: Collection[UUID]) -> list[PublicProfile]:
        """Those that exist, by id."""


class Sessions(Protocol):
    """The sessions of one transaction."""

    async def add(self, session: Session) -> None: ...

    async def by_id(self, session_id: UUID) -> Session | None: ...

    async def opened_by(self, profile_id: UUID, call_id: str) -> Session | None:
        """The session that a call opened."""

    async def opened_from(self, profile_id: UUID, network: str) -> bool:
        """Whether a session that is still known, an ended one too, was opened from this network."""

    async def save(self, session: Session) -> None: ...

    async def active(self, profile_id: UUID, now: datetime) -> list[Session]:
        """All active ones, the one used last first."""

    async def page(self, profile_id: UUID, now: datetime, after: Place | None, limit: int) -> list[Session]:
        """Active ones, the one used last first, that come after a place."""


class RefreshTokens(Protocol):
    """The refresh tokens of one transaction."""

    async def add(self, token: RefreshToken) -> None: ...

    async def by_digest(self, session_id: UUID, digest: bytes) -> RefreshToken | None: ...

    async def were_given_to(self, session_id: UUID, call_id: str) -> bool:
        """Whether this call was answered with a token of this session."""

    async def count(self, session_id: UUID, generation: int) -> int:
        """How many of a generation were given."""

    async def forget(self, session_id: UUID, *, before: int) -> None:
        """Forget generations before `before`."""


class Attempts(Protocol):
    """How many wrong passwords there were, by key, as theoretical arrival times (`shared.contracts.gcra`)."""

    async def lock(self, keys: Collection[bytes]) -> dict[bytes, int]:
        """Read them, in microseconds since the epoch, and keep everyone else from them until the end."""

    async def save(self, tats_us: Mapping[bytes, int]) -> None:
        """Change those that were locked."""

    async def forget(self, keys: Collection[bytes]) -> None:
        """Forget those that were locked, which is as good as that they were paid back."""


class Events(Protocol):
    """The events of one transaction."""

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None: ...


class UnitOfWork(Protocol):
    """One transaction."""

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
    """Begins transactions. One commits at the end of its block and leaves nothing when the block raises."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]: ...

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """For reading only."""


class ProfileReader(Protocol):
    """The shortest way to a profile."""

    async def profile(self, profile_id: UUID) -> Profile | None: ...


class Passwords(Protocol):
    """Slow hashes of passwords. Both raise `mesh.busy` when too many wait."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether they belong together. Without a hash it takes as long, and is False."""

    def outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than a new one would be."""


class Keys(Protocol):
    """The stored keys of one use."""

    async def all(self) -> list[KeyPair]: ...

    async def add(self, key: KeyPair) -> None:
        """Store a key, unless there is one of its number already."""

    async def remove(self, numbers: Sequence[int]) -> None: ...


class KeyGenerator(Protocol):
    """Makes key pairs."""

    def new(self, number: int, created_at: datetime, used_from: datetime) -> KeyPair: ...


class KeyHolder(Protocol):
    """Who works with the keys that there are."""

    def use(self, ring: KeyRing) -> None: ...


class Sealing(KeyHolder, Protocol):
    """Opens what is sealed to this service, with the keys that it was told to use."""

    def published(self) -> Jwks: ...


class AccessTokens(KeyHolder, Protocol):
    """Signs and checks access tokens with the keys that it was told to use."""

    @property
    def ttl_s(self) -> int: ...

    def issue(self, profile_id: UUID, session_id: UUID) -> str: ...

    def verify(self, token: str) -> Claims:
        """Raises `token.invalid` or `token.expired`; whether the session has ended is not looked at."""

    def published(self) -> Jwks: ...


class ExpiredRows(Protocol):
    """Removes what is over, a bounded number of rows at a time; tells how many went."""

    async def remove_tokens(self, over_before: datetime, limit: int) -> int:
        """Tokens that ran out, or whose session ended, before then."""

    async def remove_sessions(self, over_before: datetime, limit: int) -> int:
        """Sessions that ended or ran out before then and have no tokens left."""

    async def remove_attempts(self, over_before: datetime, limit: int) -> int:
        """Counts of attempts that were paid back before then: they say no more than none would."""
