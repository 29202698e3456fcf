"""The client of the services: it sends requests and resolves the future that waits for each reply."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec

from shared.contracts.base import Answer, Request
from shared.contracts.errors import CATALOGUE, INTERNAL_ERROR, MESH_BUSY, ErrorReply, ServiceError
from shared.contracts.operation import Operation
from shared.kit.clock import SystemIds, now_ms
from shared.kit.kafka.producer import Producer, Record
from shared.kit.rpc.caller import RawReply
from shared.kit.rpc.encrypting_client import EncryptingRpcClient
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.telemetry.log_context import traceparent_var
from shared.kit.wire.call import Call, request_headers

_encode = msgspec.json.Encoder().encode


class RpcClient:
    """Calls operations of services. The number of pending calls is bounded."""

    def __init__(
        self,
        producer: Producer,
        reply_topic: str,
        signer: RecordSigner,
        *,
        pending_max: int,
        timeout_ms: int,
    ) -> None:
        self._producer = producer
        self._signer = signer
        self._reply_to = reply_topic.encode()
        self._pending_max = pending_max
        self._timeout_ms = timeout_ms
        self._pending: dict[str, asyncio.Future[RawReply]] = {}
        self._ids = SystemIds()
        self._encrypting = EncryptingRpcClient(self, self._round_trip)

    @property
    def pending(self) -> int:
        """The number of calls that wait for their replies."""
        return len(self._pending)

    async def call(
        self,
        operation: Operation,
        request: Request,
        *,
        correlation_id: str = "",
        deadline_ms: int | None = None,
    ) -> Any:
        """Call an operation in the trace of the current task and return its answer.

        Raises the ServiceError of an error reply, `mesh.busy` or `mesh.timeout`.
        """
        reply = await self.send_raw(
            operation,
            _encode(request),
            operation.key_of(request),
            correlation_id=correlation_id or self._ids.text(),
            deadline_ms=deadline_ms,
            traceparent=traceparent_var.get(),
        )
        return decode_reply(operation, reply)

    def send_raw(
        self,
        operation: Operation,
        body: bytes,
        key: bytes,
        *,
        correlation_id: str,
        deadline_ms: int | None = None,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Coroutine[Any, Any, RawReply]:
        """Send an encoded request and return its reply, which may be an error.

        `deadline_ms` is in milliseconds since the epoch, by default the client's timeout from now. Raises
        `mesh.busy` if too many calls are pending or the request could not be written, and `mesh.timeout` if
        there was no reply by the deadline.
        """
        expires_at_s = 0.0
        if deadline_ms is None:
            deadline_ms = now_ms() + self._timeout_ms
            expires_at_s = time.monotonic() + self._timeout_ms / 1000
        call = Call(
            operation=operation,
            correlation_id=correlation_id,
            call_id=self._ids.text(),
            deadline_ms=deadline_ms,
            expires_at_s=expires_at_s,
            idempotency_key=idempotency_key,
            traceparent=traceparent,
        )
        # Returned, not awaited: that would cost every call one more coroutine.
        round_trip = self._encrypting.round_trip if operation.sealed else self._round_trip
        return round_trip(call, key, body)

    async def _round_trip(self, call: Call, key: bytes, body: bytes) -> RawReply:
        if len(self._pending) >= self._pending_max:
            raise MESH_BUSY.exception("Too many calls are waiting for their answers here.")
        if call.remaining_s() <= 0:
            raise call.expired()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[RawReply] = loop.create_future()
        # A timer of our own costs a third of `asyncio.timeout`, and every request needs one.
        timer = loop.call_at(call.expires_at_s, _expire, waiting, call)
        self._pending[call.call_id] = waiting
        try:
            self._send(call, key, body, waiting)
            return await waiting
        finally:
            timer.cancel()
            del self._pending[call.call_id]

    def resolve(self, call_id: str, reply: RawReply) -> None:
        """Hand a reply to the call that waits for it, if there still is one."""
        waiting = self._pending.get(call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def _send(self, call: Call, key: bytes, body: bytes, waiting: "asyncio.Future[RawReply]") -> None:
        def on_delivery(error: BaseException | None) -> None:
            if error is not None and not waiting.done():
                waiting.set_exception(MESH_BUSY.exception("The request could not be written to Kafka."))

        topic, headers = call.operation.name, request_headers(call, self._reply_to)
        headers.append(self._signer.signature(topic, key, body, headers))
        if not self._producer.send(topic, Record(key, body, headers, on_delivery)):
            raise MESH_BUSY.exception("Too many requests wait to be written.")


def _expire(waiting: "asyncio.Future[RawReply]", call: Call) -> None:
    if not waiting.done():
        waiting.set_exception(call.expired())


def decode_reply(operation: Operation, reply: RawReply) -> Answer | None:
    """Return the answer in a reply. Raises the ServiceError of an error, `internal.error` if unreadable."""
    if reply.error is not None:
        raise error_of(reply)
    if operation.answer is None:
        return None
    try:
        return msgspec.json.decode(reply.body, type=operation.answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise INTERNAL_ERROR.exception(f"The answer of {operation.name} could not be read.") from error


def error_of(reply: RawReply) -> ServiceError:
    """Return the error in a reply, or `internal.error` if it is unreadable."""
    try:
        error = msgspec.json.decode(reply.body, type=ErrorReply)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return INTERNAL_ERROR.exception("The service answered with an error that could not be read.")
    code = CATALOGUE.get(error.code, INTERNAL_ERROR)
    return code.exception(error.detail, error.errors, retry_after_s=error.retry_after_s)
