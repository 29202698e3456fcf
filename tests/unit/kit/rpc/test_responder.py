"""Replies: the record of each result, and when its request is acknowledged."""

from typing import cast

import msgspec
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from shared.contracts.account import KEYS_GET, USER_SIGNOUT, Jwk, Jwks
from shared.contracts.errors import SESSION_NOT_FOUND, SIGNATURE_INVALID, ErrorReply, FieldError
from shared.contracts.operation import Operation
from shared.kit.kafka.producer import Producer
from shared.kit.rpc.handlers import Result
from shared.kit.rpc.responder import Responder
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.record_signatures import FORGED, UNSIGNED
from shared.kit.wire.call import Reply
from tests.unit.kit.rpc.calls import SIGNATURES, Outbox, call_of

KEYS = Jwks(keys=[Jwk(kid="k", x="x")])


def responder_to(outbox: Outbox) -> Responder:
    return Responder(cast(Producer, outbox), SIGNATURES, FieldEncryption())


def reply_to(operation: Operation, outcome: Result) -> tuple[int, str | None, bytes]:
    outbox = Outbox()
    responder_to(outbox).reply(call_of(operation), outcome, lambda: None)
    assert outbox.sent[0][:2] == ("gateway.replies.test", 0)
    return outbox.replies()[0]


def test_an_answer_has_the_status_of_its_operation() -> None:
    assert reply_to(KEYS_GET, KEYS) == (200, None, msgspec.json.encode(KEYS))
    assert reply_to(USER_SIGNOUT, None) == (204, None, b"")


def test_a_reply_has_its_own_status_and_bytes() -> None:
    assert reply_to(KEYS_GET, Reply(202, b"as it is")) == (202, None, b"as it is")
    assert reply_to(KEYS_GET, Reply(202, KEYS)) == (202, None, msgspec.json.encode(KEYS))
    assert reply_to(KEYS_GET, Reply(204)) == (204, None, b"")


def test_an_error_carries_its_code_and_all_its_faults() -> None:
    error = SESSION_NOT_FOUND.exception("It has ended.", (FieldError("id", "is unknown"),))
    status, code, body = reply_to(USER_SIGNOUT, error)
    assert (status, code) == (404, "session.not_found")
    reported = msgspec.json.decode(body, type=ErrorReply)
    assert (reported.detail, reported.errors) == ("It has ended.", (FieldError("id", "is unknown"),))


def test_an_answer_that_was_not_promised_is_our_fault() -> None:
    assert reply_to(KEYS_GET, None)[:2] == (500, "internal.error")
    assert reply_to(USER_SIGNOUT, KEYS)[:2] == (500, "internal.error")


def test_what_can_not_be_encoded_is_our_fault() -> None:
    lone_surrogate = Jwks(keys=[Jwk(kid="\ud800", x="x")])
    assert reply_to(KEYS_GET, lone_surrogate)[:2] == (500, "internal.error")


def test_a_request_is_finished_when_its_reply_is_written_or_lost() -> None:
    finished: list[str] = []
    for error in (None, KafkaError("away")):
        outbox, before = Outbox(), len(finished)
        responder_to(outbox).reply(call_of(KEYS_GET), KEYS, lambda: finished.append("one"))
        assert len(finished) == before
        outbox.settle(error)
        assert len(finished) == before + 1


def test_a_request_is_finished_at_once_when_nobody_can_be_told() -> None:
    outbox, finished = Outbox(), []
    responder = responder_to(outbox)
    responder.reply(call_of(KEYS_GET, reply_to=None), KEYS, lambda: finished.append(1))
    assert (finished, outbox.sent) == ([1], [])
    outbox.full = True
    responder.reply(call_of(KEYS_GET), KEYS, lambda: finished.append(2))
    assert finished == [1, 2]


def test_a_reply_that_kafka_finds_too_large_becomes_an_error() -> None:
    outbox, finished = Outbox(), []
    responder_to(outbox).reply(call_of(KEYS_GET), KEYS, lambda: finished.append(True))
    outbox.sent[0][2].on_delivery(MessageSizeTooLargeError())  # type: ignore[misc]
    assert [reply[:2] for reply in outbox.replies()] == [(200, None), (500, "internal.error")]
    assert finished == []
    outbox.sent[1][2].on_delivery(None)  # type: ignore[misc]
    assert finished == [True]


def test_replies_are_signed_for_their_topic_and_refusals_of_strangers_are_not() -> None:
    outbox = Outbox()
    responder_to(outbox).reply(call_of(KEYS_GET), KEYS, lambda: None)
    responder_to(outbox).reply_unsigned_error(
        call_of(KEYS_GET), SIGNATURE_INVALID.exception("no"), lambda: None
    )
    faults = [
        SIGNATURES.verify(topic, None, record.value, record.headers) for topic, _, record in outbox.sent
    ]
    assert faults == [None, UNSIGNED]
    _, _, record = outbox.sent[0]
    assert SIGNATURES.verify("gateway.replies.other", None, record.value, record.headers) == FORGED


def test_a_stranger_who_named_no_reply_topic_is_told_nothing() -> None:
    outbox, finished = Outbox(), []
    call = call_of(KEYS_GET, reply_to=None)
    responder_to(outbox).reply_unsigned_error(
        call, SIGNATURE_INVALID.exception("no"), lambda: finished.append(1)
    )
    assert (finished, outbox.sent) == ([1], [])
