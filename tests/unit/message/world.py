"""The message service without Kafka: its operations and events, and stand-ins for other services."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from apps.message.inbound.kafka import on_file_event, on_server_event, register_operations
from apps.message.ports import History, Purge, SendUnitOfWorkFactory, UnitOfWorkFactory
from apps.message.usecases.send_queue import QueueLimits, SendQueue
from shared.contracts.base import Request
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
from shared.kit.rpc.handlers import Deferred, HandlerRegistry, Received, Result
from shared.kit.wire.call import Call, Reply
from shared.membership.ports import MembershipStore
from shared.membership.resolver import MembershipResolver
from tests.fakes.message.membership import MemoryMembershipStore, MemoryPurge
from tests.fakes.message.send_batch import MemorySendUnitOfWorkFactory
from tests.fakes.message.store import Store
from tests.fakes.message.unit_of_work import MemoryHistory, MemoryUnitOfWorkFactory
from tests.unit.membership.server_service import ServerService
from tests.unit.message.file_service import FileService

IDS = SystemIds()


@dataclass
class PublishedEvent:
    """An event in the outbox."""

    type: str
    key: UUID
    revision: int
    data: dict[str, Any]


@dataclass
class Outside:
    """The adapters of one kind, and their outbox."""

    send_units: SendUnitOfWorkFactory
    history: History
    units: UnitOfWorkFactory
    facts: MembershipStore
    purge: Purge
    events: Callable[[], Awaitable[list[PublishedEvent]]]
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=SystemIds)


def memory() -> tuple[Outside, Store]:
    """Return the twins over one store."""
    store = Store()

    async def events() -> list[PublishedEvent]:
        return [
            PublishedEvent(event.type.name, event.key, event.revision, msgspec.to_builtins(event.data))
            for event in store.outbox
        ]

    outside = Outside(
        MemorySendUnitOfWorkFactory(store),
        MemoryHistory(store),
        MemoryUnitOfWorkFactory(store),
        MemoryMembershipStore(store),
        MemoryPurge(store),
        events,
    )
    return outside, store


class World:
    """The service. `server` is the source of truth about one server; a test passes its events on."""

    def __init__(self, outside: Outside, limits: QueueLimits | None = None) -> None:
        self.server = ServerService()
        self.outside = outside
        self.files = FileService()
        self.resolver = MembershipResolver(self.server, outside.facts, outside.clock)
        self.on_server_event = on_server_event(outside.facts, outside.clock)
        self.on_file_event = on_file_event(outside.units, outside.clock)
        self.events = outside.events
        self.use_send_units(outside.send_units, limits)

    def use_send_units(self, send_units: SendUnitOfWorkFactory, limits: QueueLimits | None = None) -> None:
        """Send by these transactions from now on."""
        outside = self.outside
        self.queue = SendQueue(send_units, self.resolver, outside.clock, outside.ids, limits)
        self._handlers = HandlerRegistry("message")
        register_operations(
            self._handlers,
            outside.units,
            self.queue,
            outside.history,
            self.files,
            self.resolver,
            outside.clock,
        )

    async def channel(self, channel_type: ChannelType = ChannelType.TEXT) -> UUID:
        """Return a channel that our copy knows."""
        channel_id, event = self.server.add_channel(channel_type)
        await self.on_server_event(event)
        return channel_id

    async def member(self, role: Role = Role.GUEST) -> UUID:
        """Return a member whom our copy knows."""
        profile_id = IDS.new()
        await self.on_server_event(self.server.join(profile_id, role))
        return profile_id

    async def on_server_events(self, *events: Event) -> None:
        """Handle several events of the server service."""
        for event in events:
            await self.on_server_event(event)

    async def send_batch(self, batch: Sequence[Received[SendMessage]]) -> Sequence[Result | Deferred]:
        """Send one batch."""
        return await self._handlers.batch[MESSAGE_SEND.name](batch)

    async def send_all(self, batch: Sequence[Received[SendMessage]]) -> list[Result]:
        """Send one batch; wait for the results of deferred sends."""
        results = await self.send_batch(batch)
        return [await result.outcome if isinstance(result, Deferred) else result for result in results]

    async def reply(self, received: Received[SendMessage]) -> Reply:
        """Send a batch of one; raise the error of its reply."""
        (result,) = await self.send_all([received])
        if isinstance(result, ServiceError):
            raise result
        assert isinstance(result, Reply)
        return result

    async def send(self, channel_id: UUID, profile_id: UUID, content: str = "hello", **more: Any) -> Message:
        """Send one message and return it, whatever the status."""
        return message_of(await self.reply(ask(channel_id, profile_id, content, **more)))

    async def history(self, channel_id: UUID, profile_id: UUID, **bounds: Any) -> Messages:
        """Return a page of a channel's history."""
        request = ReadHistory(channel_id=channel_id, profile_id=profile_id, **bounds)
        return await self._handle(request, call(MESSAGE_HISTORY))

    async def get(self, message: Message, profile_id: UUID) -> Message:
        """Return one message."""
        return await self._handle(_of(message, profile_id), call(MESSAGE_GET))

    async def edit(self, message: Message, profile_id: UUID, content: str) -> Message:
        """Edit a message."""
        request = EditMessage(
            channel_id=message.channel_id, message_id=message.id, profile_id=profile_id, content=content
        )
        return await self._handle(request, call(MESSAGE_EDIT))

    async def delete(self, message: Message, profile_id: UUID, call_id: str | None = None) -> None:
        """Delete a message."""
        await self._handle(_of(message, profile_id), call(MESSAGE_DELETE, call_id=call_id))

    async def _handle(self, request: Request, call: Call) -> Any:
        return await self._handlers.single[call.operation.name](request, call)


def call(
    operation: Operation,
    *,
    call_id: str | None = None,
    key: str | None = None,
    body: bytes = b"{}",
    deadline_ms: int | None = None,
) -> Call:
    """Return the envelope of a request."""
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
    """Return a request to send a message; `key` is an Idempotency-Key."""
    request = SendMessage(
        channel_id=channel_id, profile_id=profile_id, content=content, nonce=nonce, attachments=attachments
    )
    return Received(request, call(MESSAGE_SEND, body=msgspec.json.encode(request), **more))


def message_of(result: Result) -> Message:
    """Return the message of a reply."""
    assert isinstance(result, Reply), result
    assert isinstance(result.body, Message)
    return result.body


def contents(results: Iterable[Result]) -> list[str]:
    """Return the sequence and the content of each message, the code of each error."""
    return [
        result.code.name
        if isinstance(result, ServiceError)
        else f"{message_of(result).sequence} {message_of(result).content}"
        for result in results
    ]


async def refused(work: Awaitable[Any]) -> str:
    """Return the code of the error that a request ends with."""
    try:
        answer = await work
    except ServiceError as error:
        return error.code.name
    raise AssertionError(f"the reply is {answer}")


def now_of(world: World) -> datetime:
    """Return the service's time."""
    return world.outside.clock.now()


def _of(message: Message, profile_id: UUID) -> OfMessage:
    return OfMessage(channel_id=message.channel_id, message_id=message.id, profile_id=profile_id)
