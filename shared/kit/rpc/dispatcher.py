"""From a request record to its handler: decode, refuse what is bad, put the rest into its lane or batch."""

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
from shared.kit.kafka.keyed_executor import KeyedExecutor
from shared.kit.rpc.batcher import Batcher, being_cancelled
from shared.kit.rpc.handlers import Handler, HandlerRegistry, Received, Result
from shared.kit.rpc.responder import Responder
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import SENTENCES, RecordSigner, note_refused
from shared.kit.telemetry.log_context import correlation_id_var, operation_var, traceparent_var
from shared.kit.telemetry.metrics import answered, refused
from shared.kit.wire.call import Call, read_call

log = logging.getLogger(__name__)

Ack = Callable[[], None]
StoreDeadLetter = Callable[[Any, ServiceError], Awaitable[None]]
"""Writes a request that nobody can be told about to the dead letters."""

REQUEST_MAX_BYTES = 256 * 1024
"""The gateway bounds bodies far below; more than this was written past it."""

_DEAD_LETTERS = b"\x00dead letters"
"""The lane of what is put away: bounded, so that a flood of garbage fills nothing else."""


class RequestRecord(Protocol):
    """What is read of a Kafka record."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Dispatcher:
    """Hands each request to its handler and its outcome to the responder. Taking one never waits."""

    def __init__(
        self,
        handlers: HandlerRegistry,
        responder: Responder,
        signatures: RecordSigner,
        seals: FieldEncryption,
        dead_letter: StoreDeadLetter,
        *,
        lane_max: int,
        in_flight_max: int,
        batch_max: int,
        timeout_ms: int,
    ) -> None:
        self._handlers = handlers
        self._responder = responder
        self._signatures = signatures
        self._seals = seals
        self._dead_letter = dead_letter
        self._timeout_ms = timeout_ms
        self._lanes = KeyedExecutor(lane_max=lane_max, jobs_max=in_flight_max)
        self._groups = {
            name: Batcher(handler, batch_max=batch_max, queue_max=in_flight_max)
            for name, handler in handlers.batch.items()
        }

    def accept(self, record: RequestRecord, finished: Ack) -> None:
        """Take a record; `finished` is called once, when its reply is written or nobody is to be told."""
        operation = OPERATIONS[record.topic]
        body = record.value or b""
        call = read_call(operation, record.headers, body, self._timeout_ms)
        if call.remaining_s() <= 0:
            refused.labels(operation.name, "expired").inc()
            finished()
            return
        try:
            self._check(record, body)
            if operation.sealed:
                call, body = self._seals.open_request(call, record.headers, body)
            request = decode_body(body, operation.request)
            self._place(record.key or b"", request, call, finished)
        except ServiceError as error:
            refused.labels(operation.name, error.kind.code).inc()
            self._refuse(record, call, error, finished)
        except Exception:
            log.exception("a request of %s could not be taken", operation.name)
            self._refuse(record, call, INTERNAL_ERROR.exception("The request could not be taken."), finished)

    def _refuse(self, record: RequestRecord, call: Call, error: ServiceError, finished: Ack) -> None:
        """Tell the caller; where there is none, keep the record among the dead letters."""
        if call.reply_to is None and error.kind is not MESH_BUSY:

            async def dead_letter() -> None:
                try:
                    await self._dead_letter(record, error)
                finally:
                    finished()

            if self._lanes.submit(_DEAD_LETTERS, dead_letter):
                return
        tell = self._responder.decline if error.kind is SIGNATURE_INVALID else self._responder.reply
        tell(call, error, finished)

    def _check(self, record: RequestRecord, body: bytes) -> None:
        """Nobody speaks for others: raises `signature.invalid` for what no process of the mesh wrote so.

        Raises `body.too_large` as well.
        """
        fault = self._signatures.fault(record.topic, record.key, body, record.headers)
        if fault is not None:
            note_refused("request", record.topic, fault)
            raise SIGNATURE_INVALID.exception(SENTENCES[fault])
        if len(body) > REQUEST_MAX_BYTES:
            raise BODY_TOO_LARGE.exception(f"A request may have {REQUEST_MAX_BYTES} bytes.")

    def _place(self, key: bytes, request: Request, call: Call, finished: Ack) -> None:
        name = call.operation.name
        group = self._groups.get(name)
        if group is not None:
            settle = partial(self._settle, call, finished, time.perf_counter())
            placed = group.submit(Received(request, call), settle)
        else:
            handler = self._handlers.single[name]
            lane = call.call_id.encode() if call.operation.reads else key
            placed = self._lanes.submit(lane, partial(self._run, handler, request, call, finished))
        if not placed:
            raise MESH_BUSY.exception(f"Too many requests of {name} are waiting.")

    async def _run(self, handler: Handler, request: Request, call: Call, finished: Ack) -> None:
        correlation_id_var.set(call.correlation_id)
        operation_var.set(call.operation.name)
        traceparent_var.set(call.traceparent)
        begun = time.perf_counter()
        self._settle(call, finished, begun, await _outcome_of(handler, request, call))

    def _settle(self, call: Call, finished: Ack, begun: float, outcome: Result) -> None:
        code = outcome.kind.code if isinstance(outcome, ServiceError) else "ok"
        answered(call.operation.name, code, time.perf_counter() - begun)
        self._responder.reply(call, outcome, finished)


async def _outcome_of(handler: Handler, request: Any, call: Call) -> Result:
    """What the handler handlers or raises; nothing gets out of here, so that nobody waits in vain."""
    try:
        async with asyncio.timeout(call.remaining_s()):
            return await handler(request, call)
    except ServiceError as error:
        return error
    except TimeoutError:
        return call.expired()
    except asyncio.CancelledError:
        if being_cancelled():
            raise
        log.error("%s waited for something that was cancelled", call.operation.name)
    except Exception:
        log.exception("%s failed", call.operation.name)
    return INTERNAL_ERROR.exception("The request could not be carried out.")
