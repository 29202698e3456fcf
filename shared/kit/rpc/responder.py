"""Turns outcomes into reply records. A request without a reply topic is carried out all the same."""

import logging
from collections.abc import Callable

import msgspec
from aiokafka.errors import MessageSizeTooLargeError

from shared.contracts.errors import INTERNAL_ERROR, ErrorReply, ServiceError
from shared.kit.kafka.producer import Producer, Record
from shared.kit.kafka.producer_batch import Done
from shared.kit.rpc.handlers import Result
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.call import Call, Reply, reply_headers
from shared.kit.wire.headers import ERROR, Headers

log = logging.getLogger(__name__)

Ack = Callable[[], None]

_encode = msgspec.json.Encoder().encode


class Responder:
    """Sends replies. A reply topic has one partition, the caller's own."""

    def __init__(self, producer: Producer, signatures: RecordSigner, seals: FieldEncryption) -> None:
        self._producer = producer
        self._seals = seals
        self._signatures = signatures

    def reply(self, call: Call, outcome: Result, finished: Ack) -> None:
        """Send the outcome to the caller, if the caller can be told.

        `finished` is called once: when the reply is written, so that a process that dies before
        leaves the request to others; or when it is certain that nobody can be told.
        """
        if call.reply_to is None:
            finished()
            return
        reply_to = call.reply_to

        def done(error: BaseException | None) -> None:
            if isinstance(
                error, MessageSizeTooLargeError
            ):  # it went alone: nobody else's reply failed with it
                too_large = INTERNAL_ERROR.exception("The answer is larger than a reply may be.")
                self._send(call, reply_to, _error_record(call, too_large), lambda _: finished())
            else:
                finished()

        self._send(call, reply_to, self._record_of(call, outcome), done)

    def _record_of(self, call: Call, outcome: Result) -> tuple[Headers, bytes]:
        headers, body = record_of(call, outcome)
        if not call.operation.answer_secrets or ERROR in dict(headers):
            return headers, body
        try:
            return headers, self._seals.seal_answer(call, body)
        except Exception:
            log.exception("the answer of %s could not be sealed", call.operation.name)
            return _error_record(call, INTERNAL_ERROR.exception("The answer could not be sealed."))

    def decline(self, call: Call, error: ServiceError, finished: Ack) -> None:
        """Tell whoever wrote a request that is not signed, if there is a reply topic.

        What tells it is not signed either: else a stranger could have any caller's pending call refused.
        """
        if call.reply_to is None:
            finished()
        else:
            self._write(call, call.reply_to, _error_record(call, error), lambda _: finished())

    def _send(self, call: Call, reply_to: str, reply: tuple[Headers, bytes], done: Done) -> None:
        headers, body = reply
        headers.append(self._signatures.signature(reply_to, None, body, headers))
        self._write(call, reply_to, reply, done)

    def _write(self, call: Call, reply_to: str, reply: tuple[Headers, bytes], done: Done) -> None:
        headers, body = reply
        if not self._producer.send(reply_to, 0, Record(None, body, headers, done)):
            log.warning("a reply to %s was let fall: too many wait", call.operation.name)
            done(None)


def record_of(call: Call, outcome: Result) -> tuple[Headers, bytes]:
    """Headers and body of a reply; what can not be encoded becomes `internal.error`."""
    try:
        return _record_of(call, outcome)
    except Exception:
        log.exception("the outcome of %s could not be encoded", call.operation.name)
        return _error_record(call, INTERNAL_ERROR.exception("The answer could not be encoded."))


def _record_of(call: Call, outcome: Result) -> tuple[Headers, bytes]:
    if isinstance(outcome, ServiceError):
        return _error_record(call, outcome)
    if isinstance(outcome, Reply):
        body = outcome.body
        encoded = body if isinstance(body, bytes) else b"" if body is None else _encode(body)
        return reply_headers(call, outcome.status), encoded
    if (outcome is None) is not (call.operation.answer is None):
        log.error("%s answered with %s", call.operation.name, type(outcome).__name__)
        return _error_record(
            call, INTERNAL_ERROR.exception("The answer is not of the kind that was promised.")
        )
    return reply_headers(call, call.operation.status), b"" if outcome is None else _encode(outcome)


def _error_record(call: Call, error: ServiceError) -> tuple[Headers, bytes]:
    kind = error.kind
    body = ErrorReply(
        code=kind.code,
        status=kind.status,
        detail=error.detail,
        errors=error.errors,
        retry_after_s=error.retry_after_s,
    )
    return reply_headers(call, kind.status, kind.code), _encode(body)
