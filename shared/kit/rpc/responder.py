"""Sends the results of requests as reply records. Requests without a reply topic get none."""

import logging

import msgspec
from aiokafka.errors import MessageSizeTooLargeError

from shared.contracts.errors import INTERNAL_ERROR, ErrorReply, ServiceError
from shared.kit.kafka.consumer import Ack
from shared.kit.kafka.producer import OnDelivery, Producer, Record
from shared.kit.rpc.handlers import Result
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.call import Call, Reply, reply_headers
from shared.kit.wire.headers import Headers

log = logging.getLogger(__name__)

EncodedReply = tuple[Headers, bytes]
"""Headers and body."""

_encode = msgspec.json.Encoder().encode


class Responder:
    """Sends replies to reply topics, which have one partition."""

    def __init__(self, producer: Producer, signer: RecordSigner, encryption: FieldEncryption) -> None:
        self._producer = producer
        self._encryption = encryption
        self._signer = signer

    def reply(self, call: Call, result: Result, ack: Ack) -> None:
        """Send a result to the caller, if the request names a reply topic.

        `ack` is called once: when the reply is written, so that a request of a process that died before is
        processed by another one, or when it is certain that no reply can be written.
        """
        if call.reply_to is None:
            ack()
            return

        def on_delivery(error: BaseException | None) -> None:
            if isinstance(
                error, MessageSizeTooLargeError
            ):  # it was alone in its batch: no other reply failed
                too_large = INTERNAL_ERROR.exception("The answer is larger than a reply may be.")
                self._sign_and_send(call, _encode_error(call, too_large), lambda _: ack())
            else:
                ack()

        self._sign_and_send(call, self.encode_reply(call, result), on_delivery)

    def reply_unsigned_error(self, call: Call, error: ServiceError, ack: Ack) -> None:
        """Reply to a request without a valid signature, if it names a reply topic.

        The reply is not signed either; otherwise a stranger could make any caller's pending call fail.
        """
        if call.reply_to is None:
            ack()
        else:
            self._send(call, _encode_error(call, error), lambda _: ack())

    def encode_reply(self, call: Call, result: Result) -> EncodedReply:
        """Return the reply with its secrets encrypted; `internal.error` for a result that is not valid."""
        try:
            if isinstance(result, ServiceError):
                return _encode_error(call, result)
            if isinstance(result, Reply):
                status, answer = result.status, result.body
            elif (result is None) is (call.operation.answer is None):
                status, answer = call.operation.status, result
            else:
                raise TypeError(f"the answer is {type(result).__name__}, not the declared type")
            body = answer if isinstance(answer, bytes) else b"" if answer is None else _encode(answer)
            if call.operation.answer_secrets:
                body = self._encryption.seal_answer(call, body)
            return reply_headers(call, status), body
        except Exception:
            log.exception("the answer of %s could not be encoded", call.operation.name)
            return _encode_error(call, INTERNAL_ERROR.exception("The answer could not be encoded."))

    def _sign_and_send(self, call: Call, reply: EncodedReply, on_delivery: OnDelivery) -> None:
        headers, body = reply
        headers.append(self._signer.signature(call.reply_to or "", None, body, headers))
        self._send(call, reply, on_delivery)

    def _send(self, call: Call, reply: EncodedReply, on_delivery: OnDelivery) -> None:
        headers, body = reply
        if not self._producer.send(
            call.reply_to or "", Record(None, body, headers, on_delivery), partition=0
        ):
            log.warning("a reply to %s was dropped: too many wait to be written", call.operation.name)
            on_delivery(None)


def _encode_error(call: Call, error: ServiceError) -> EncodedReply:
    code = error.code
    body = ErrorReply(
        code=code.name,
        status=code.status,
        detail=error.detail,
        errors=error.errors,
        retry_after_s=error.retry_after_s,
    )
    return reply_headers(call, code.status, code.name), _encode(body)
