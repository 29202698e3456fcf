"""A world to test the use cases of auth in: over the fakes or over Postgres."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from apps.auth.domain.attempts import AttemptPolicy
from apps.auth.domain.keys import KeyPolicy, TokenTerms
from apps.auth.domain.session import SessionPolicy
from apps.auth.outbound.access_tokens import JwtAccessTokens
from apps.auth.outbound.key_generator import Ed25519KeyGenerator, X25519KeyGenerator
from apps.auth.outbound.sealing import SealingKeys
from apps.auth.ports import ExpiredRows, Keys, ProfileReader, UnitOfWorkFactory
from apps.auth.usecases.change_password import change_password
from apps.auth.usecases.list_sessions import list_sessions
from apps.auth.usecases.refresh_tokens import refresh_tokens
from apps.auth.usecases.revoke_session import revoke_session
from apps.auth.usecases.rotate_keys import rotate_keys
from apps.auth.usecases.sign_in import sign_in
from apps.auth.usecases.sign_out import sign_out
from apps.auth.usecases.sign_up import sign_up
from apps.auth.usecases.token_issuing import Issuer
from apps.auth.usecases.update_profile import update_profile
from apps.auth.usecases.verify_token import verify_token
from shared.contracts import account as contract
from shared.contracts.errors import ErrorCode, ServiceError
from shared.kit.clock import SystemIds
from shared.kit.security.field_encryption import FieldEncryption
from tests.fakes.auth.adapters import MemoryKeys, MemoryUnitOfWorkFactory, PlainPasswords

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


class PublishedEvent(msgspec.Struct):
    """A published event; `data` as it is sent to Kafka."""

    type: str
    key: UUID
    revision: int
    data: dict[str, Any]


class World:
    """The dependencies of the use cases, and shortcuts to call them."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        published: Callable[[], Awaitable[list[PublishedEvent]]],
        signing_keys: Keys,
        sealing_keys: Keys,
        *,
        reader: ProfileReader,
        expired_rows: ExpiredRows,
    ) -> None:
        self.units = units
        self.reader = reader
        self.expired_rows = expired_rows
        self.published = published
        self.clock = SetClock()
        self.passwords = PlainPasswords()
        self.signing_keys = signing_keys
        self.key_policy = KeyPolicy()
        self.attempt_policy = AttemptPolicy()
        self.access = self.another_replica()
        self.sealing_keys = sealing_keys
        self.sealing_policy = KeyPolicy(rotation=timedelta(days=1), overlap=timedelta(hours=2))
        self.encryption = FieldEncryption()
        self.sealing = SealingKeys(self.encryption, self.sealing_policy, self.clock)
        self.issuer = Issuer(
            access=self.access,
            clock=self.clock,
            ids=SystemIds(),
            policy=SessionPolicy(sessions_max=5),
        )
        self._calls = count(1)

    async def begin(self) -> "World":
        """Create the first keys."""
        await self.rotate()
        await self.rotate_sealing()
        return self

    def another_replica(self) -> JwtAccessTokens:
        return JwtAccessTokens(TokenTerms(), self.key_policy, self.clock, SystemIds())

    async def rotate(self, access: JwtAccessTokens | None = None) -> None:
        await rotate_keys(
            self.signing_keys, Ed25519KeyGenerator(), access or self.access, self.key_policy, self.clock
        )

    async def rotate_sealing(self, sealing: SealingKeys | None = None) -> None:
        await rotate_keys(
            self.sealing_keys, X25519KeyGenerator(), sealing or self.sealing, self.sealing_policy, self.clock
        )

    def call_id(self) -> str:
        return f"call-{next(self._calls)}"

    async def sign_up(
        self,
        email: str = "ada@example.org",
        name: str = "Ada",
        call_id: str | None = None,
        password: str = PASSWORD,
        user_agent: str | None = None,
        network: str | None = None,
    ) -> contract.SignedIn:
        request = contract.SignUp(
            name=name, email=email, password=password, user_agent=user_agent, network=network
        )
        call_id = self.call_id() if call_id is None else call_id
        return await sign_up(request, call_id, self.units, self.passwords, self.issuer)

    async def sign_in(
        self,
        email: str = "ada@example.org",
        password: str = PASSWORD,
        call_id: str | None = None,
        user_agent: str | None = None,
        network: str | None = None,
    ) -> contract.SignedIn:
        request = contract.SignIn(email=email, password=password, user_agent=user_agent, network=network)
        call_id = self.call_id() if call_id is None else call_id
        return await sign_in(request, call_id, self.units, self.passwords, self.issuer, self.attempt_policy)

    async def refresh(
        self, refresh_token: str, call_id: str | None = None, user_agent: str | None = None
    ) -> contract.Tokens:
        request = contract.Refresh(refresh_token=refresh_token, user_agent=user_agent)
        call_id = self.call_id() if call_id is None else call_id
        return await refresh_tokens(request, call_id, self.units, self.issuer)

    async def sign_out(self, who: contract.SignedIn) -> None:
        request = contract.SignOut(profile_id=who.profile.id, session_id=self.session_id(who))
        async with self.units.transaction() as unit:
            await sign_out(request, unit, self.clock)

    async def revoke(self, profile_id: UUID, session_id: UUID) -> None:
        request = contract.RevokeSession(profile_id=profile_id, revoked_id=session_id)
        async with self.units.transaction() as unit:
            await revoke_session(request, unit, self.clock)

    async def change_password(
        self, who: contract.SignedIn, new: str, current: str = PASSWORD, key: str | None = "key"
    ) -> None:
        request = contract.ChangePassword(
            profile_id=who.profile.id, session_id=self.session_id(who), current=current, new=new
        )
        await change_password(request, key, self.units, self.passwords, self.clock, self.attempt_policy)

    async def update(self, profile_id: UUID, **changes: Any) -> contract.Profile:
        request = contract.UpdateProfile(profile_id=profile_id, **changes)
        async with self.units.transaction() as unit:
            return await update_profile(request, unit, self.clock)

    async def sessions(
        self, who: contract.SignedIn, limit: int = 50, cursor: str | None = None
    ) -> contract.Sessions:
        request = contract.ListSessions(
            profile_id=who.profile.id, session_id=self.session_id(who), limit=limit, cursor=cursor
        )
        async with self.units.snapshot() as unit:
            return await list_sessions(request, unit, self.clock)

    async def verify(self, token: str) -> contract.VerifiedToken:
        async with self.units.snapshot() as unit:
            return await verify_token(contract.VerifyToken(token=token), unit, self.access, self.clock)

    def session_id(self, who: contract.Tokens) -> UUID:
        return self.access.verify(who.access_token).sid

    async def events(self, event_type: str) -> list[PublishedEvent]:
        return [event for event in await self.published() if event.type == event_type]

    async def revoked(self) -> list[UUID]:
        """Return the ids of the sessions in `session.revoked` events, in order."""
        return [UUID(event.data["sessionId"]) for event in await self.events("session.revoked")]


def new_memory_world() -> World:
    """Return a world over the fakes, without keys."""
    units = MemoryUnitOfWorkFactory()

    async def published() -> list[PublishedEvent]:
        return [
            PublishedEvent(event.event_type.name, event.key, event.revision, msgspec.to_builtins(event.data))
            for event in units.rows.events
        ]

    return World(units, published, MemoryKeys(), MemoryKeys(), reader=units, expired_rows=units)


async def error_of(work: Awaitable[Any]) -> ErrorCode:
    """Return the error code that the call fails with."""
    try:
        result = await work
    except ServiceError as error:
        return error.code
    raise AssertionError(f"no error was raised; the result is {result!r}")
