"""Requests that somebody changed, or that name a key nobody may be answered to: nothing is done."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.contracts.account import KEYS_GET, USER_SIGNIN, USER_SIGNOUT, Jwks, SignedIn, SignOut
from shared.contracts.examples import example_of
from shared.contracts.topics import dead_letter_topic
from shared.kit.clock import now_ms
from shared.kit.security.field_encryption import FieldEncryption, seal_request
from shared.kit.security.hpke import base64url, public_text
from shared.kit.wire.call import Call, request_headers
from shared.kit.wire.headers import (
    CALL_ID,
    CORRELATION_ID,
    DEADLINE,
    ERROR,
    IDEMPOTENCY_KEY,
    REPLY_KEY,
    REPLY_TO,
    TRACEPARENT,
    Headers,
)
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    make_topics,
    running_service,
    settings_for,
)
from tests.unit.kit.rpc.calls import SIGNATURES, SMALL_ORDER, call_of

Request: TypeAlias = tuple[str, bytes | None, bytes, Headers]
"""Topic, key, body, headers."""
Change: TypeAlias = Callable[[Request], Request]

OTHER = b"gateway.replies.somebody-else"


class Place:
    """A service, a writer of requests, and the topic in which they are answered."""

    def __init__(self, producer: AIOKafkaProducer, replies: AIOKafkaConsumer, reply_to: str) -> None:
        self.producer, self.replies, self.reply_to = producer, replies, reply_to
        self.handled: list[str] = []
        self.seals = FieldEncryption()
        self.key = X25519PrivateKey.generate()
        self.seals.use({"k": self.key})

    async def answer(self, request: Any, call: Call) -> Any:
        self.handled.append(call.call_id)
        if call.operation is USER_SIGNIN:
            return msgspec.convert(example_of(SignedIn), SignedIn)
        return Jwks(keys=[]) if call.operation is KEYS_GET else None

    def sign_out(self) -> Request:
        call = call_of(USER_SIGNOUT, call_id=str(uuid4()), correlation_id="c", traceparent="00-1-2-03")
        request = SignOut(profile_id=uuid4(), session_id=uuid4())
        return self.signed(call, msgspec.json.encode(request))

    def sign_in(self, reply_key: str | None) -> Request:
        call = call_of(USER_SIGNIN, call_id=str(uuid4()), reply_key=reply_key)
        body = b'{"email":"ada@example.org","password":"correct horse"}'
        return self.signed(call, seal_request(call, body, "k", self.key.public_key()))

    def signed(self, call: Call, body: bytes) -> Request:
        name, headers = call.operation.name, request_headers(call, self.reply_to.encode())
        return name, b"k", body, [*headers, SIGNATURES.signature(name, b"k", body, headers)]

    async def send(self, request: Request) -> None:
        topic, key, body, headers = request
        await self.producer.send_and_wait(topic, body, key=key, partition=0, headers=headers)

    async def replied(self, call_id: bytes) -> tuple[str | None, bytes]:
        """Error and body of the answer to a call."""
        async with asyncio.timeout(10):
            while True:
                record: ConsumerRecord = await self.replies.getone()
                headers = dict(record.headers)
                if headers[CALL_ID] == call_id:
                    error = headers.get(ERROR)
                    return None if error is None else error.decode(), record.value


@asynccontextmanager
async def _place(bootstrap: str) -> AsyncIterator[Place]:
    reply_to = f"gateway.replies.{secrets.token_hex(4)}"
    await make_topics(bootstrap, reply_to, OTHER.decode(), partitions=1)
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
        AIOKafkaConsumer(reply_to, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as replies,
    ):
        place = Place(producer, replies, reply_to)
        handlers = answering_all("auth", place.answer)
        async with running_service(settings_for(bootstrap), handlers, seals=place.seals):
            yield place


@pytest.fixture
async def place(kafka_bootstrap: str) -> AsyncIterator[Place]:
    await make_request_topics(kafka_bootstrap, "auth")
    await make_topics(kafka_bootstrap, dead_letter_topic("auth"), partitions=1)
    async with _place(kafka_bootstrap) as place:
        yield place


def header(name: str, value: bytes) -> Change:
    """With another value in a header."""

    def change(request: Request) -> Request:
        topic, key, body, headers = request
        assert name in dict(headers)
        return topic, key, body, [(one, value if one == name else old) for one, old in headers]

    return change


def headers(change: Callable[[Headers], Headers]) -> Change:
    """With other headers."""
    return lambda request: (*request[:3], change(request[3]))


CHANGES: dict[str, Change] = {
    "correlation id": header(CORRELATION_ID, b"of somebody else"),
    "call id": header(CALL_ID, b"a call of somebody else"),
    "reply topic": header(REPLY_TO, OTHER),
    "trace": header(TRACEPARENT, b"00-3-4-03"),
    "a nearer deadline": headers(
        lambda old: header(DEADLINE, b"%d" % (now_ms() + 1_000))(("", b"", b"", old))[3]
    ),
    "a later deadline": headers(
        lambda old: header(DEADLINE, b"%d" % (now_ms() + 60_000))(("", b"", b"", old))[3]
    ),
    "an idempotency key": headers(lambda old: [*old, (IDEMPOTENCY_KEY, b"POST /x 1")]),
    "a reply key": headers(lambda old: [*old, (REPLY_KEY, b"A" * 43)]),
    "a header twice": headers(lambda old: [*old, old[0]]),
    "a header less": headers(lambda old: [pair for pair in old if pair[0] != TRACEPARENT]),
    "two values swapped": headers(lambda old: [(old[0][0], old[1][1]), (old[1][0], old[0][1]), *old[2:]]),
    "another order": headers(lambda old: [old[1], old[0], *old[2:]]),
    "another key": lambda request: (request[0], b"other", *request[2:]),
    "no key": lambda request: (request[0], None, *request[2:]),
    "another body": lambda request: (*request[:2], request[2].replace(b"-", b"0", 1), request[3]),
    "another operation": lambda request: (KEYS_GET.name, *request[1:]),
}


async def test_whatever_is_changed_in_a_request_makes_it_void(place: Place) -> None:
    """All that was signed is covered; the true request is carried out all the same."""
    for name, change in CHANGES.items():
        true = place.sign_out()
        changed = change(true)
        await place.send(changed)
        if dict(changed[3])[REPLY_TO] == place.reply_to.encode():
            error, _ = await place.replied(dict(changed[3])[CALL_ID])
            assert error == "signature.invalid", name
        await place.send(true)
        assert (await place.replied(dict(true[3])[CALL_ID]))[0] is None, name
        assert place.handled == [dict(true[3])[CALL_ID].decode()], name
        place.handled.clear()


async def test_a_bad_reply_key_is_refused_before_anything_is_done(place: Place) -> None:
    """Of a member of the mesh that is mistaken: what it signs is good, the key that it names is not."""
    bad = [None, "", "AAAA", "*" * 43, "x" * 1000, *(base64url(point) for point in SMALL_ORDER)]
    for reply_key in bad:
        request = place.sign_in(reply_key)
        await place.send(request)
        error, body = await place.replied(dict(request[3])[CALL_ID])
        assert error == "seal.broken", reply_key
        assert b"reply_key" in body
    assert place.handled == []
    good = place.sign_in(public_text(X25519PrivateKey.generate()))
    await place.send(good)
    error, body = await place.replied(dict(good[3])[CALL_ID])
    assert error is None
    assert b'"accessToken":{"sealed":' in body
