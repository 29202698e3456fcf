"""The server service without Kafka: requests go straight to the handlers that `inbound` registers."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

from apps.server.inbound.kafka import register_operations
from apps.server.ports import UnitOfWork
from shared.contracts import server as ops
from shared.contracts.account import PublicProfile
from shared.contracts.errors import ErrorCode, ServiceError
from shared.contracts.fields import Role
from shared.contracts.operation import Operation
from shared.kit.clock import SystemIds, now_ms
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.rpc.registration import TransactionFactory
from shared.kit.wire.call import Call, Reply
from tests.fakes.server.profiles import MemoryAccounts
from tests.fakes.server.unit_of_work import MemoryUnitOfWorkFactory

NEVER = UUID(int=0)
"""An id that does not exist."""


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def move(self, **by: float) -> datetime:
        self.time += timedelta(**by)
        return self.time


class FakeCodes:
    """Generates code-1, code-2, …"""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self) -> str:
        return f"code-{next(self._numbers)}"


class PublishedEvent(NamedTuple):
    """An event as it is sent to Kafka."""

    type: str
    key: UUID
    revision: int
    data: dict[str, Any]


class World:
    """One server service. `call` sends a request; the other methods set up what tests start from."""

    def __init__(
        self,
        units: TransactionFactory[UnitOfWork],
        auth: MemoryAccounts,
        events: Callable[[], Awaitable[list[PublishedEvent]]],
        clock: FakeClock,
    ) -> None:
        self.clock = clock
        self.ids = SystemIds()
        self.units = units
        self.auth = auth
        self.events = events
        self._handlers = HandlerRegistry("server")
        register_operations(self._handlers, units, lambda call: auth, clock, self.ids, FakeCodes())

    async def call(self, operation: Operation, *, idempotency_key: str | None = None, **values: Any) -> Any:
        """Return the answer as the caller reads it, decoded from the bytes of the reply."""
        body = msgspec.json.encode(operation.request(**values))
        request = msgspec.json.decode(body, type=operation.request)
        call = Call(
            operation=operation,
            correlation_id="test",
            call_id=str(self.ids.new()),
            deadline_ms=now_ms() + 10_000,
            idempotency_key=idempotency_key,
            body=body,
        )
        answer = await self._handlers.single[operation.name](request, call)
        if isinstance(answer, Reply):
            answer = answer.body
        if answer is None or operation.answer is None:
            assert answer is None and operation.answer is None
            return None
        raw = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        return msgspec.json.decode(raw, type=operation.answer)

    def person(self, name: str = "Ada") -> UUID:
        """Create a profile in the auth service; return its id."""
        profile = PublicProfile(id=self.ids.new(), name=name, image_url=None, revision=1)
        self.auth.profiles_by_id[profile.id] = profile
        return profile.id

    async def server(self, owner: UUID | None = None, name: str = "Home") -> ops.Server:
        server: ops.Server = await self.call(ops.CREATE_SERVER, profile_id=owner or self.person(), name=name)
        return server

    async def join(self, server: ops.Server, role: Role = Role.GUEST, person: UUID | None = None) -> UUID:
        """Let a profile join by the standing code, and give it a role."""
        person = person or self.person()
        await self.call(ops.INVITE_ACCEPT, code=server.invite_code, profile_id=person)
        if role is not Role.GUEST:
            await self.call(
                ops.MEMBER_UPDATE,
                server_id=server.id,
                profile_id=server.profile_id,
                member_id=person,
                role=role,
            )
        return person

    async def channel(self, server: ops.Server, name: str = "tea", channel_type: str = "TEXT") -> ops.Channel:
        channel: ops.Channel = await self.call(
            ops.CHANNEL_CREATE,
            server_id=server.id,
            profile_id=server.profile_id,
            name=name,
            type=channel_type,
        )
        return channel

    async def invite(self, server: ops.Server, **bounds: int) -> ops.Invite:
        invite: ops.Invite = await self.call(
            ops.INVITE_CREATE, server_id=server.id, profile_id=server.profile_id, **bounds
        )
        return invite

    async def get(self, server: ops.Server) -> ops.Server:
        """Return the server as its owner sees it now."""
        now: ops.Server = await self.call(ops.GET_SERVER, server_id=server.id, profile_id=server.profile_id)
        return now

    async def role_of(self, server: ops.Server, person: UUID) -> Role | None:
        """Return the role that `channel.access` reports to the message service."""
        access = await self.call(ops.CHANNEL_ACCESS, channel_id=server.channels[0].id, profile_id=person)
        role: Role | None = access.role
        return role

    async def events_since(self, count: int) -> list[PublishedEvent]:
        """Return the events after the first `count`."""
        return (await self.events())[count:]

    async def pages(self, operation: Operation, *, limit: int, **values: Any) -> list[list[Any]]:
        """Return all pages of a list, following `next`."""
        pages, cursor = [], None
        while True:
            page = await self.call(operation, limit=limit, cursor=cursor, **values)
            pages.append(page.items)
            cursor = page.next
            if cursor is None:
                return pages


def new_memory_world() -> World:
    """Return a world over the fakes."""
    auth, units = MemoryAccounts(), MemoryUnitOfWorkFactory()

    async def events() -> list[PublishedEvent]:
        return [
            PublishedEvent(event_type.name, key, revision, msgspec.to_builtins(data))
            for event_type, key, revision, data in units.state.events
        ]

    return World(units, auth, events, FakeClock())


@contextmanager
def refused(code: ErrorCode, match: str | None = None) -> Iterator[None]:
    """Expect the block to raise this typed error."""
    with pytest.raises(ServiceError, match=match) as caught:
        yield
    assert caught.value.code.name == code.name
