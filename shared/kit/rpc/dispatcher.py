"""From a request record to its handler: verify, decrypt, decode, and queue by key or for a batch."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

from shared.contracts.base import Request
from shared.contracts.catalogue import OPERATIONS
from shared.contracts.errors import (
    BODY_TOO_LARGE,
    INTERNAL_ERROR,
    MESH_BUSY,
    SIGNATURE_INVALID,
    ServiceError,
)
from shared.contracts.validation import decode_body
from shared.kit.kafka.consumer import Ack
from shared.kit.kafka.keyed_executor import KeyedExecutor
from shared.kit.rpc.batcher import Batcher
from shared.kit.rpc.handlers import Handler, HandlerRegistry, Received, Result, error_of_exception
from shared.kit.rpc.responder import Responder
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import SENTENCES, RecordSigner, note_refused
from shared.kit.telemetry.log_context import correlation_id_var, operation_var, traceparent_var
from shared.kit.telemetry.metrics import answered, refused
from shared.kit.wire.call import Call, read_call

log = logging.getLogger(__name__)

StoreDeadLetter = Callable[[Any, ServiceError], Awaitable[None]]
"""Writes a rejected request without a reply topic to the dead letters."""

REQUEST_MAX_BYTES = 256 * 1024
"""The gateway limits bodies to far less; a larger request did not come through it."""

_DEAD_LETTERS = b"\x00dead letters"
"""The executor's key for dead letters: their number is bounded, so a flood of garbage fills nothing else."""


class RequestRecord(Protocol):
    """The attributes of a Kafka record that are read."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Dispatcher:
    """Passes each request to its handler and its result to the responder. Dispatching never waits."""

    def __init__(
        self,
        handlers: HandlerRegistry,
        responder: Responder,
        signer: RecordSigner,
        encryption: FieldEncryption,
        dead_letter: StoreDeadLetter,
        *,
        per_key_max: int,
        in_flight_max: int,
        batch_max: int,
        timeout_ms: int,
    ) -> None:
        self._handlers = handlers
        self._responder = responder
        self._signer = signer
        self._encryption = encryption
        self._dead_letter = dead_letter
        self._timeout_ms = timeout_ms
        self._executor = KeyedExecutor(per_key_max=per_key_max, jobs_max=in_flight_max)
        self._batchers = {
            name: Batcher(handler, batch_max=batch_max, queue_max=in_flight_max)
            for name, handler in handlers.batch.items()
        }

    def dispatch(self, record: RequestRecord, ack: Ack) -> None:
        """Start to process a request. `ack` is called once, when it needs no further processing."""
        operation = OPERATIONS[record.topic]
        body = record.value or b""
        call = read_call(operation, record.headers, body, self._timeout_ms)
        if call.remaining_s() <= 0:
            refused.labels(operation.name, "expired").inc()
            ack()
            return
        try:
            self._verify(record, body)
            if operation.sealed:
                call, body = self._encryption.open_request(call, record.headers, body)
            request = decode_body(body, operation.request)
            self._enqueue(record.key or b"", request, call, ack)
        except ServiceError as error:
            refused.labels(operation.name, error.code.name).inc()
            self._reject(record, call, error, ack)
        except Exception:
            log.exception("a request of %s could not be taken", operation.name)
            self._reject(record, call, INTERNAL_ERROR.exception("The request could not be taken."), ack)

    def _reject(self, record: RequestRecord, call: Call, error: ServiceError, ack: Ack) -> None:
        """Reply with an error; write a request without a reply topic to the dead letters."""
        if call.reply_to is None and error.code is not MESH_BUSY:

            async def dead_letter() -> None:
                try:
                    await self._dead_letter(record, error)
                finally:
                    ack()

            if self._executor.submit(_DEAD_LETTERS, dead_letter):
                return
        if error.code is SIGNATURE_INVALID:
            self._responder.reply_unsigned_error(call, error, ack)
        else:
            self._responder.reply(call, error, ack)

    def _verify(self, record: RequestRecord, body: bytes) -> None:
        """Raise `signature.invalid` unless a process of the mesh signed the record for this topic.

        Raises `body.too_large` as well.
        """
        fault = self._signer.verify(record.topic, record.key, body, record.headers)
        if fault is not None:
            note_refused("request", record.topic, fault)
            raise SIGNATURE_INVALID.exception(SENTENCES[fault])
        if len(body) > REQUEST_MAX_BYTES:
            raise BODY_TOO_LARGE.exception(f"A request may have {REQUEST_MAX_BYTES} bytes.")

    def _enqueue(self, key: bytes, request: Request, call: Call, ack: Ack) -> None:
        """Queue a request for its handler. Raises `mesh.busy` if too many are waiting."""
        name = call.operation.name
        batcher = self._batchers.get(name)
        if batcher is not None:
            on_result = partial(self._on_result, call, ack, time.perf_counter())
            queued = batcher.submit(Received(request, call), on_result)
        else:
            handler = self._handlers.single[name]
            ordered_by = call.call_id.encode() if call.operation.reads else key
            queued = self._executor.submit(ordered_by, partial(self._run, handler, request, call, ack))
        if not queued:
            raise MESH_BUSY.exception(f"Too many requests of {name} are waiting.")

    async def _run(self, handler: Handler, request: Request, call: Call, ack: Ack) -> None:
        correlation_id_var.set(call.correlation_id)
        operation_var.set(call.operation.name)
        traceparent_var.set(call.traceparent)
        started_s = time.perf_counter()
        try:
            async with asyncio.timeout_at(call.expires_at_s):
                result: Result = await handler(request, call)
        except BaseException as raised:  # noqa: BLE001 - `error_of_exception` raises it again if need be
            result = error_of_exception(raised, call)
        self._on_result(call, ack, started_s, result)

    def _on_result(self, call: Call, ack: Ack, started_s: float, result: Result) -> None:
        code = result.code.name if isinstance(result, ServiceError) else "ok"
        answered(call.operation.name, code, time.perf_counter() - started_s)
        self._responder.reply(call, result, ack)
