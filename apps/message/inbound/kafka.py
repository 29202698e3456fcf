"""Operations and events, and the use case of each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

import msgspec

from apps.message.domain.messages import check_attachments, trimmed, window
from apps.message.domain.sending import Draft, SendResult
from apps.message.ports import Files, History, UnitOfWorkFactory
from apps.message.usecases.delete_message import delete_message
from apps.message.usecases.detach_file import detach_file
from apps.message.usecases.edit_message import edit_message
from apps.message.usecases.get_message import get_message
from apps.message.usecases.read_history import read_history
from apps.message.usecases.send_queue import SendQueue, Settled
from shared.contracts.clock import Clock
from shared.contracts.errors import FILE_NOT_FOUND, ServiceError
from shared.contracts.event import FILE_DELETED, Event, FileDeleted
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


class Inbound:
    """What the message service handlers."""

    def __init__(
        self,
        sends: SendQueue,
        learn: MembershipResolver,
        history: History,
        work: UnitOfWorkFactory,
        files: Files,
        clock: Clock,
    ) -> None:
        self._sends = sends
        self._files = files
        self._learn = learn
        self._history = history
        self._work = work
        self._clock = clock

    def register(self, handlers: HandlerRegistry) -> None:
        """Say who handlers what."""
        handlers.register_batch(MESSAGE_SEND, self.send)
        handlers.register(MESSAGE_HISTORY, self.history)
        handlers.register(MESSAGE_GET, self.get)
        handlers.register(MESSAGE_EDIT, self.edit)
        handlers.register(MESSAGE_DELETE, self.delete)

    async def send(self, asked: Sequence[Received[SendMessage]]) -> list[Result | Deferred]:
        """Send many messages in one transaction."""
        plain = [each for each in asked if not each.request.attachments]
        outcomes = await self._sends.send([_draft(each.request, each.call) for each in plain])
        replies = [Deferred(_later(it)) if isinstance(it, asyncio.Future) else _reply(it) for it in outcomes]
        if len(plain) == len(asked):
            return replies
        rest = iter(replies)
        return [
            Deferred(self._send_with_files(each)) if each.request.attachments else next(rest)
            for each in asked
        ]

    async def _send_with_files(self, asked: Received[SendMessage]) -> Result:
        """Beside its batch, because the file service is asked first."""
        request, call = asked.request, asked.call
        draft = _draft(request, call)
        try:
            check_attachments(request.attachments)
            draft.attachments = await self._files.describe(request.attachments, _asker(request, call))
        except ServiceError as error:
            if error.kind is not FILE_NOT_FOUND:
                return error
            draft.refusal = error
        (outcome,) = await self._sends.send([draft])
        return _reply(await outcome if isinstance(outcome, asyncio.Future) else outcome)

    async def history(self, request: ReadHistory, call: Call) -> Messages:
        """Read a page of a channel's history."""
        part = window(request)
        return await with_fresh_membership(
            self._learn, _asker(request, call), lambda: read_history(request, part, self._history)
        )

    async def get(self, request: OfMessage, call: Call) -> Message:
        """Read one message."""

        async def work() -> Message:
            async with self._work.snapshot() as unit:
                return await get_message(request, unit)

        return await with_fresh_membership(self._learn, _asker(request, call), work)

    async def edit(self, request: EditMessage, call: Call) -> Message:
        """Edit a message."""

        async def work() -> Message:
            async with self._work.transaction() as unit:
                return await edit_message(request, unit, self._clock)

        return await with_fresh_membership(self._learn, _asker(request, call), work)

    async def delete(self, request: OfMessage, call: Call) -> None:
        """Delete a message."""

        async def work() -> None:
            async with self._work.transaction() as unit:
                await delete_message(request, call.call_id, unit, self._clock)

        await with_fresh_membership(self._learn, _asker(request, call), work)


def _draft(request: SendMessage, call: Call) -> Draft:
    key = call.idempotency_key
    return Draft(
        channel_id=request.channel_id,
        profile_id=request.profile_id,
        content=trimmed(request.content),
        nonce=request.nonce,
        request_key=f"c:{call.call_id}" if key is None else f"k:{sha256(key.encode()).hexdigest()}",
        fingerprint=None if key is None else sha256(call.body).digest(),
        deadline_ms=call.deadline_ms,
        correlation_id=call.correlation_id,
    )


def _asker(request: SendMessage | ReadHistory | OfMessage | EditMessage, call: Call) -> AccessQuery:
    return AccessQuery(request.channel_id, request.profile_id, call.deadline_ms, call.correlation_id)


def _reply(outcome: Settled) -> Result:
    return Reply(outcome.status, outcome.message) if isinstance(outcome, SendResult) else outcome


async def _later(settled: "asyncio.Future[Settled]") -> Result:
    return _reply(await settled)


def hear(facts: MembershipStore, clock: Clock) -> Callable[[Event], Awaitable[None]]:
    """What is done with each event of the server service."""

    async def keep(event: Event) -> None:
        await apply_event(event, facts, clock)

    return keep


def hear_files(work: UnitOfWorkFactory, clock: Clock) -> Callable[[Event], Awaitable[None]]:
    """What is done with each event of the file service."""

    async def look(event: Event) -> None:
        if event.type == FILE_DELETED.name:
            await detach_file(msgspec.json.decode(event.data, type=FileDeleted), work, clock)

    return look
