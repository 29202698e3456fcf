"""Turns outcomes into reply records. A request without a reply topic is carried out all the same."""

import logging

import msgspec

from shared.contracts.errors import INTERNAL_ERROR, ErrorReply, MeshError
from shared.kit.answers import Outcome
from shared.kit.producer import Producer, Record
from shared.kit.wire import Call, Headers, Reply, reply_headers

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


class Responder:
    """Sends replies. A reply topic has one partition, the caller's own."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def reply(self, call: Call, outcome: Outcome) -> None:
        """Send the outcome to the caller, if the caller can be told."""
        if call.reply_to is None:
            return
        headers, body = _record_of(call, outcome)
        if not self._producer.send(call.reply_to, 0, Record(None, body, headers)):
            log.warning("a reply to %s was let fall: too many wait", call.operation.name)


def _record_of(call: Call, outcome: Outcome) -> tuple[Headers, bytes]:
    if isinstance(outcome, MeshError):
        return reply_headers(call, outcome.kind.status, outcome.kind.code), _error_body(outcome)
    if isinstance(outcome, Reply):
        body = outcome.body
        encoded = body if isinstance(body, bytes) else b"" if body is None else _encode(body)
        return reply_headers(call, outcome.status), encoded
    if (outcome is None) is not (call.operation.answer is None):
        log.error("%s answered with %s", call.operation.name, type(outcome).__name__)
        error = INTERNAL_ERROR.error("The answer is not of the kind that was promised.")
        return reply_headers(call, 500, error.kind.code), _error_body(error)
    return reply_headers(call, call.operation.status), b"" if outcome is None else _encode(outcome)


def _error_body(error: MeshError) -> bytes:
    kind = error.kind
    return _encode(ErrorReply(code=kind.code, status=kind.status, detail=error.detail, errors=error.errors))
