"""The calling side: a request goes out, the reply finds the one future that waits for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from shared.contracts.base import Answer, Request
from shared.contracts.errors import CATALOGUE, INTERNAL_ERROR, MESH_BUSY, ErrorReply, ServiceError
from shared.contracts.operation import Operation
from shared.kit.clock import SystemIds, now_ms
from shared.kit.kafka.producer import Producer, Record
from shared.kit.rpc.encrypting_client import EncryptingRpcClient
from shared.kit.rpc.reply_consumer import RawReply
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.telemetry.log_context import traceparent_var
from shared.kit.wire.call import Call, request_headers

_encode = msgspec.json.Encoder().encode


class RpcClient:
    """Calls operations of services. How many calls may be pending is bounded."""

    def __init__(
        self,
        producer: Producer,
        reply_topic: str,
        signatures: RecordSigner,
        *,
        pending_max: int,
        timeout_ms: int,
    ) -> None:
        self._producer = producer
        self._signatures = signatures
        self._reply_to = reply_topic.encode()
        self._pending_max = pending_max
        self._timeout_ms = timeout_ms
        self._pending: dict[str, asyncio.Future[RawReply]] = {}
        self._ids = SystemIds()
        self._sealed = EncryptingRpcClient(self)

    @property
    def pending(self) -> int:
        """Calls that wait for their answer now."""
        return len(self._pending)

    async def call(
        self,
        operation: Operation,
        request: Request,
        *,
        correlation_id: str = "",
        deadline_ms: int | None = None,
    ) -> Any:
        """Call and decode, in the trace of the task that calls.

        Raises the ServiceError that the service answered, `mesh.busy` or `mesh.timeout`.
        """
        reply = await self.call_raw(
            operation,
            _encode(request),
            operation.key_of(request),
            correlation_id=correlation_id or self._ids.text(),
            deadline_ms=deadline_ms or now_ms() + self._timeout_ms,
            traceparent=traceparent_var.get(),
        )
        return decode_reply(operation, reply)

    def call_raw(
        self,
        operation: Operation,
        body: bytes,
        key: bytes,
        *,
        correlation_id: str,
        deadline_ms: int,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> Coroutine[Any, Any, RawReply]:
        """Send the body and wait for the reply's bytes, a typed error among them, until the deadline.

        Raises `mesh.busy` when too many calls are pending or the request could not be written,
        `mesh.timeout` when no reply came in time.
        """
        call = Call(
            operation=operation,
            correlation_id=correlation_id,
            call_id=self._ids.text(),
            deadline_ms=deadline_ms,
            idempotency_key=idempotency_key,
            traceparent=traceparent,
        )
        # Not awaited here: that would cost every call a coroutine more.
        exchange = self._sealed.exchange if operation.sealed else self.exchange
        return exchange(call, key, body)

    async def exchange(self, call: Call, key: bytes, body: bytes) -> RawReply:
        """The same for a call that is made up already."""
        if len(self._pending) >= self._pending_max:
            raise MESH_BUSY.exception("Too many calls are waiting for their answers here.")
        operation = call.operation
        remaining_s = call.remaining_s()
        if remaining_s <= 0:
            raise call.expired()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[RawReply] = loop.create_future()
        # A timer of our own costs a third of `asyncio.timeout`, and this is done for every request.
        timer = loop.call_later(remaining_s, _expire, waiting, call)
        self._pending[call.call_id] = waiting
        try:
            partition = self._producer.known_partition(operation.name, key)
            if partition is None:
                partition = await self._partition_of(call, key)
            self._send(call, partition, key, body, waiting)
            return await waiting
        finally:
            timer.cancel()
            del self._pending[call.call_id]

    def on_reply(self, call_id: str, reply: RawReply) -> None:
        """A reply came; one that nobody waits for any longer is let fall."""
        waiting = self._pending.get(call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    async def _partition_of(self, call: Call, key: bytes) -> int:
        """The first call of an operation has to ask a broker."""
        try:
            async with asyncio.timeout(call.remaining_s()):
                return await self._producer.partition_of(call.operation.name, key)
        except TimeoutError:
            raise call.expired() from None
        except KafkaError as error:
            raise MESH_BUSY.exception("Kafka can not be reached.") from error

    def _send(
        self, call: Call, partition: int, key: bytes, body: bytes, waiting: "asyncio.Future[RawReply]"
    ) -> None:
        def done(error: BaseException | None) -> None:
            if error is not None and not waiting.done():
                waiting.set_exception(MESH_BUSY.exception("The request could not be written to Kafka."))

        topic, headers = call.operation.name, request_headers(call, self._reply_to)
        headers.append(self._signatures.signature(topic, key, body, headers))
        if not self._producer.send(topic, partition, Record(key, body, headers, done)):
            raise MESH_BUSY.exception("Too many requests wait to be written.")


def _expire(waiting: "asyncio.Future[RawReply]", call: Call) -> None:
    if not waiting.done():
        waiting.set_exception(call.expired())


def decode_reply(operation: Operation, reply: RawReply) -> Answer | None:
    """The answer of a reply; raises the ServiceError of one that is an error, or can not be read."""
    if reply.error is not None:
        raise error_of(reply)
    if operation.answer is None:
        return None
    try:
        return msgspec.json.decode(reply.body, type=operation.answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise INTERNAL_ERROR.exception(f"The answer of {operation.name} could not be read.") from error


def error_of(reply: RawReply) -> ServiceError:
    """The typed error of a reply; what can not be read is our own fault, not the caller's."""
    try:
        error = msgspec.json.decode(reply.body, type=ErrorReply)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return INTERNAL_ERROR.exception("The service answered with an error that could not be read.")
    kind = CATALOGUE.get(error.code, INTERNAL_ERROR)
    return kind.exception(error.detail, error.errors, retry_after_s=error.retry_after_s)
