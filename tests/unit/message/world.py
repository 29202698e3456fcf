"""The message service without Kafka: its operations, its events, and a server service beside it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from apps.message.inbound.kafka import Inbound, hear, hear_files
from apps.message.ports import History, Purge, Sending, UnitOfWorkFactory
from apps.message.usecases.send_queue import QueueLimits, SendQueue
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import ServiceError
from shared.contracts.event import Event
from shared.contracts.fields import ChannelType, Role
from shared.contracts.message import (
    MESSAGE_DELETE,
    MESSAGE_EDIT,
    MESSAGE_GET,
    MESSAGE_HISTORY,
    MESSAGE_SEND,
    EditMessage,
    Message,
    Messages,
    OfMessage,
    ReadHistory,
    SendMessage,
)
from shared.contracts.operation import Operation
from shared.kit.clock import SystemClock, SystemIds, now_ms
from shared.kit.rpc.handlers import Deferred, Received, Result
from shared.kit.wire.call import Call, Reply
from shared.membership.ports import MembershipStore
from shared.membership.resolver import MembershipResolver
from tests.fakes.message.membership import MemoryMembershipStore, MemoryPurge
from tests.fakes.message.send_batch import MemorySending
from tests.fakes.message.store import Store
from tests.fakes.message.unit_of_work import MemoryHistory, MemoryUnitOfWorkFactory
from tests.unit.membership.server_service import ServerService
from tests.unit.message.file_service import FileService

IDS = SystemIds()


@dataclass
class Happened:
    """An event in the outbox."""

    type: str
    key: UUID
    revision: int
    data: dict[str, Any]


@dataclass
class Outside:
    """The adapters of one kind, and their outbox."""

    sending: Sending
    history: History
    work: UnitOfWorkFactory
    facts: MembershipStore
    purge: Purge
    events: Callable[[], Awaitable[list[Happened]]]
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)


def memory() -> tuple[Outside, Store]:
    """The twins over one store."""
    store = Store()

    async def events() -> list[Happened]:
        return [
            Happened(told.kind.name, told.key, told.revision, msgspec.to_builtins(told.data))
            for told in store.outbox
        ]

    sending, history, work = MemorySending(store), MemoryHistory(store), MemoryUnitOfWorkFactory(store)
    return Outside(sending, history, work, MemoryMembershipStore(store), MemoryPurge(store), events), store


class World:
    """The service; `server` is the truth about one server, whose events are heard when a test says so."""

    def __init__(self, outside: Outside, limits: QueueLimits | None = None) -> None:
        self.server = ServerService()
        self.outside = outside
        self.learn = MembershipResolver(self.server, outside.facts, outside.clock)
        self.queue = SendQueue(outside.sending, self.learn, outside.clock, outside.ids, limits)
        self.files = FileService()
        self.inbound = Inbound(
            self.queue, self.learn, outside.history, outside.work, self.files, outside.clock
        )
        self.hear = hear(outside.facts, outside.clock)
        self.hear_files = hear_files(outside.work, outside.clock)
        self.events = outside.events

    async def channel(self, kind: ChannelType = ChannelType.TEXT) -> UUID:
        """A channel that is known already."""
        channel_id, event = self.server.add_channel(kind)
        await self.hear(event)
        return channel_id

    async def member(self, role: Role = Role.GUEST) -> UUID:
        """A member who is known already."""
        profile_id = IDS.new()
        await self.hear(self.server.join(profile_id, role))
        return profile_id

    async def hear_all(self, *events: Event) -> None:
        """Hear several events."""
        for event in events:
            await self.hear(event)

    async def send_all(self, asked: Sequence[Received[SendMessage]]) -> list[Result]:
        """One batch; waits for those that were put aside."""
        outcomes = await self.inbound.send(asked)
        return [await it.outcome if isinstance(it, Deferred) else it for it in outcomes]  # type: ignore[misc]

    async def reply(self, asked: Received[SendMessage]) -> Reply:
        """A batch of one; raises the error that it is answered with."""
        (outcome,) = await self.send_all([asked])
        if isinstance(outcome, ServiceError):
            raise outcome
        assert isinstance(outcome, Reply)
        return outcome

    async def send(self, channel_id: UUID, profile_id: UUID, content: str = "hello", **more: Any) -> Message:
        """Send one message; gives it, whatever the status."""
        return message_of(await self.reply(ask(channel_id, profile_id, content, **more)))

    async def history(self, channel_id: UUID, profile_id: UUID, **bounds: Any) -> Messages:
        """A page."""
        request = ReadHistory(channel_id=channel_id, profile_id=profile_id, **bounds)
        return await self.inbound.history(request, call(MESSAGE_HISTORY))

    async def get(self, message: Message, profile_id: UUID) -> Message:
        """One message."""
        return await self.inbound.get(_of(message, profile_id), call(MESSAGE_GET))

    async def edit(self, message: Message, profile_id: UUID, content: str) -> Message:
        """Edit."""
        request = EditMessage(
            channel_id=message.channel_id, message_id=message.id, profile_id=profile_id, content=content
        )
        return await self.inbound.edit(request, call(MESSAGE_EDIT))

    async def delete(self, message: Message, profile_id: UUID, call_id: str | None = None) -> None:
        """Delete."""
        await self.inbound.delete(_of(message, profile_id), call(MESSAGE_DELETE, call_id=call_id))


def call(
    operation: Operation,
    *,
    call_id: str | None = None,
    key: str | None = None,
    body: bytes = b"{}",
    deadline_ms: int | None = None,
) -> Call:
    """What travels with a request."""
    return Call(
        operation=operation,
        correlation_id="the correlation id",
        call_id=call_id or str(IDS.new()),
        deadline_ms=deadline_ms or now_ms() + 10_000,
        idempotency_key=key,
        body=body,
    )


def ask(
    channel_id: UUID,
    profile_id: UUID,
    content: str = "hello",
    nonce: str | None = None,
    attachments: tuple[UUID, ...] = (),
    **more: Any,
) -> Received[SendMessage]:
    """A request to send; `key` is an Idempotency-Key."""
    request = SendMessage(
        channel_id=channel_id, profile_id=profile_id, content=content, nonce=nonce, attachments=attachments
    )
    return Received(request, call(MESSAGE_SEND, body=msgspec.json.encode(request), **more))


def message_of(outcome: Result) -> Message:
    """The message of a reply."""
    assert isinstance(outcome, Reply), outcome
    assert isinstance(outcome.body, Message)
    return outcome.body


async def refused(work: Awaitable[Any]) -> str:
    """The code of the error that something is answered with."""
    try:
        answer = await work
    except ServiceError as error:
        return error.kind.code
    raise AssertionError(f"it was answered with {answer}")


def now_of(world: World) -> datetime:
    """The time as the service sees it."""
    return world.outside.clock.now()


def _of(message: Message, profile_id: UUID) -> OfMessage:
    return OfMessage(channel_id=message.channel_id, message_id=message.id, profile_id=profile_id)
