"""The handlers of the message service's operations and events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from hashlib import sha256
from typing import TypeVar

import msgspec

from apps.message.domain.messages import check_attachments, trim
from apps.message.domain.sending import Draft, SendResult
from apps.message.ports import Files, History, UnitOfWork, UnitOfWorkFactory
from apps.message.usecases.delete_message import delete_message
from apps.message.usecases.detach_file import detach_file
from apps.message.usecases.draft_queues import Outcome
from apps.message.usecases.edit_message import edit_message
from apps.message.usecases.get_message import get_message
from apps.message.usecases.read_history import read_history
from apps.message.usecases.send_queue import SendQueue
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NOT_FOUND, ServiceError
from shared.contracts.event import FILE_DELETED, Event, FileDeleted
from shared.contracts.file import Attachment
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
from shared.kit.rpc.handlers import Deferred, HandlerRegistry, Received, Result
from shared.kit.wire.call import Call, Reply
from shared.membership.apply_event import apply_event
from shared.membership.ports import MembershipStore
from shared.membership.resolver import AccessQuery, MembershipResolver, with_fresh_membership

T = TypeVar("T")
_Request = SendMessage | ReadHistory | OfMessage | EditMessage


def register_operations(
    handlers: HandlerRegistry,
    units: UnitOfWorkFactory,
    send_queue: SendQueue,
    history: History,
    files: Files,
    resolver: MembershipResolver,
    clock: Clock,
) -> None:
    """Register a handler for each operation of the message service."""

    async def read(request: ReadHistory, call: Call) -> Messages:
        return await with_fresh_membership(
            resolver, _access_query(request, call), lambda: read_history(request, history)
        )

    async def get(request: OfMessage, call: Call) -> Message:
        return await run(request, call, units.snapshot, get_message)

    async def edit(request: EditMessage, call: Call) -> Message:
        return await run(request, call, units.transaction, edit_message, clock)

    async def delete(request: OfMessage, call: Call) -> None:
        await run(request, call, units.transaction, delete_message, call.call_id, clock)

    async def run(
        request: OfMessage | EditMessage,
        call: Call,
        begin: Callable[[], AbstractAsyncContextManager[UnitOfWork]],
        usecase: Callable[..., Awaitable[T]],
        *deps: object,
    ) -> T:
        async def attempt() -> T:
            async with begin() as unit:
                return await usecase(request, unit, *deps)

        return await with_fresh_membership(resolver, _access_query(request, call), attempt)

    handlers.register_batch(MESSAGE_SEND, partial(_send, send_queue, files))
    handlers.register(MESSAGE_HISTORY, read)
    handlers.register(MESSAGE_GET, get)
    handlers.register(MESSAGE_EDIT, edit)
    handlers.register(MESSAGE_DELETE, delete)


def on_server_event(members: MembershipStore, clock: Clock) -> Callable[[Event], Awaitable[None]]:
    """Return the handler of the server service's events: it keeps our copy of the members up to date."""

    async def handle(event: Event) -> None:
        await apply_event(event, members, clock)

    return handle


def on_file_event(units: UnitOfWorkFactory, clock: Clock) -> Callable[[Event], Awaitable[None]]:
    """Return the handler of the file service's events: it removes deleted files from messages."""

    async def handle(event: Event) -> None:
        if event.type == FILE_DELETED.name:
            await detach_file(msgspec.json.decode(event.data, type=FileDeleted), units, clock)

    return handle


async def _send(
    send_queue: SendQueue, files: Files, batch: Sequence[Received[SendMessage]]
) -> list[Result | Deferred]:
    """Send the messages without files together; those with files wait for the file service first."""
    plain = [received for received in batch if not received.request.attachments]
    outcomes = await send_queue.send([_draft(received.request, received.call) for received in plain])
    results = [
        Deferred(_result_later(outcome)) if isinstance(outcome, asyncio.Future) else _result(outcome)
        for outcome in outcomes
    ]
    if len(plain) == len(batch):
        return results
    remaining = iter(results)
    return [
        Deferred(_send_with_files(send_queue, files, received.request, received.call))
        if received.request.attachments
        else next(remaining)
        for received in batch
    ]


async def _send_with_files(send_queue: SendQueue, files: Files, request: SendMessage, call: Call) -> Result:
    attachments_error = None
    try:
        check_attachments(request.attachments)
        attachments = await files.describe(request.attachments, _access_query(request, call))
    except ServiceError as error:
        if error.code is not FILE_NOT_FOUND:
            return error
        attachments, attachments_error = (), error
    draft = _draft(request, call, attachments, attachments_error)
    (outcome,) = await send_queue.send([draft])
    return _result(await outcome if isinstance(outcome, asyncio.Future) else outcome)


def _draft(
    request: SendMessage,
    call: Call,
    attachments: tuple[Attachment, ...] = (),
    attachments_error: ServiceError | None = None,
) -> Draft:
    key = call.idempotency_key
    return Draft(
        channel_id=request.channel_id,
        profile_id=request.profile_id,
        content=trim(request.content),
        nonce=request.nonce,
        request_key=f"c:{call.call_id}" if key is None else f"k:{sha256(key.encode()).hexdigest()}",
        fingerprint=None if key is None else sha256(call.body).digest(),
        deadline_ms=call.deadline_ms,
        correlation_id=call.correlation_id,
        attachments=attachments,
        attachments_error=attachments_error,
    )


def _access_query(request: _Request, call: Call) -> AccessQuery:
    return AccessQuery(request.channel_id, request.profile_id, call.deadline_ms, call.correlation_id)


def _result(outcome: Outcome) -> Result:
    return Reply(outcome.status, outcome.message) if isinstance(outcome, SendResult) else outcome


async def _result_later(outcome: "asyncio.Future[Outcome]") -> Result:
    return _result(await outcome)
