"""Strangers on the same broker: what they write is refused, told where that makes sense, and ends nothing."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from prometheus_client import REGISTRY

from shared.contracts.account import (
    KEYS_GET,
    USER_SIGNIN,
    USER_SIGNOUT,
    GetKeys,
    Jwk,
    Jwks,
    SignedIn,
    SignIn,
    SignOut,
)
from shared.contracts.errors import MESH_BUSY, MESH_TIMEOUT, ServiceError
from shared.contracts.examples import example_of
from shared.contracts.topics import dead_letter_topic
from shared.kit.clock import now_ms
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.security.field_encryption import FieldEncryption
from shared.kit.security.hpke import ALGORITHM, public_text
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.call import Call
from shared.kit.wire.headers import CALL_ID, REPLY_TO, SIGNATURE
from tests.integration.kit.mesh import (
    answering_all,
    make_request_topics,
    make_topics,
    running_client,
    running_service,
    settings_for,
)
from tests.unit.kit.rpc.calls import SECRET

OTHER_SECRET = "somebody else's secret, as long as ours"
TRUE = Jwks(keys=[Jwk(kid="true", x="x")])


@pytest.fixture
async def bootstrap(kafka_bootstrap: str) -> str:
    await make_request_topics(kafka_bootstrap, "auth")
    await make_topics(kafka_bootstrap, dead_letter_topic("auth"), partitions=1)
    return kafka_bootstrap


@pytest.fixture
async def stranger(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        yield producer


async def _keys(request: GetKeys, call: Call) -> Jwks:
    return TRUE


def keys_only(handler: Any = _keys) -> HandlerRegistry:
    return answering_all("auth", handler)


def refused(kind: str, reason: str) -> float:
    labels = {"kind": kind, "reason": reason}
    return REGISTRY.get_sample_value("concord_records_refused_total", labels) or 0.0


async def last_request(bootstrap: str, topic: str) -> ConsumerRecord:
    """The newest record of a topic, waited for."""
    async with (
        asyncio.timeout(10),
        AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer,
    ):
        found: list[ConsumerRecord] = []
        while not found or await consumer.getmany(timeout_ms=300):
            for records in (await consumer.getmany(timeout_ms=300)).values():
                found.extend(records)
        return max(found, key=lambda record: record.timestamp)


async def test_a_forged_reply_is_ignored_and_the_true_one_counts(
    bootstrap: str, stranger: AIOKafkaProducer
) -> None:
    """A reader of the request knows its call id; with forged keys, anyone's tokens would be valid."""
    release = asyncio.Event()

    async def slow(request: GetKeys, call: Call) -> Jwks:
        await release.wait()
        return TRUE

    settings = settings_for(bootstrap)
    before = refused("reply", "unsigned"), refused("reply", "forged")
    async with running_service(settings, keys_only(slow)), running_client(settings) as client:
        calling = asyncio.create_task(client.call(KEYS_GET, GetKeys()))
        request = await last_request(bootstrap, KEYS_GET.name)
        headers = dict(request.headers)
        reply = [(CALL_ID, headers[CALL_ID]), ("status", b"200")]
        topic, body = headers[REPLY_TO].decode(), b'{"keys":[]}'
        theirs = RecordSigner(OTHER_SECRET).signature(topic, None, body, reply)
        for forged in (reply, [*reply, theirs], [*reply, (SIGNATURE, headers[SIGNATURE])]):
            await stranger.send_and_wait(topic, body, partition=0, headers=forged)
        await asyncio.sleep(0.3)
        assert not calling.done()
        release.set()
        assert await calling == TRUE
    assert (refused("reply", "unsigned"), refused("reply", "forged")) == (before[0] + 1, before[1] + 2)


async def test_a_strangers_request_is_rejected_and_ends_no_pending_call(
    bootstrap: str, stranger: AIOKafkaProducer
) -> None:
    """The reply to a stranger may name the call of another caller: it is not signed, so it is ignored."""
    release = asyncio.Event()
    handled: list[str] = []

    async def slow(request: Any, call: Call) -> Jwks:
        handled.append(call.operation.name)
        await release.wait()
        return TRUE

    settings = settings_for(bootstrap)
    async with running_service(settings, keys_only(slow)), running_client(settings) as client:
        calling = asyncio.create_task(client.call(KEYS_GET, GetKeys()))
        request = await last_request(bootstrap, KEYS_GET.name)
        bare = [pair for pair in request.headers if pair[0] != SIGNATURE]
        before = refused("request", "unsigned"), refused("reply", "unsigned")
        await stranger.send_and_wait(USER_SIGNOUT.name, b"{}", key=b"k", headers=bare)
        async with asyncio.timeout(10):
            while refused("reply", "unsigned") == before[1]:
                await asyncio.sleep(0.05)
        assert refused("request", "unsigned") == before[0] + 1
        assert not calling.done()
        release.set()
        assert await calling == TRUE
    assert handled == [KEYS_GET.name]


async def test_a_request_that_is_sent_again_is_the_same_call(
    bootstrap: str, stranger: AIOKafkaProducer
) -> None:
    """Replayed within its deadline it has the call id that it had, by which the ledger knows it."""
    seen: list[str] = []

    async def note(request: SignOut, call: Call) -> None:
        seen.append(call.call_id)

    settings = settings_for(bootstrap)
    request = SignOut(profile_id=uuid4(), session_id=uuid4())
    async with running_service(settings, keys_only(note)), running_client(settings) as client:
        await client.call(USER_SIGNOUT, request, deadline_ms=now_ms() + 5_000)
        record = await last_request(bootstrap, USER_SIGNOUT.name)
        again = {"key": record.key, "headers": list(record.headers)}
        await stranger.send_and_wait(USER_SIGNOUT.name, record.value, **again)
        async with asyncio.timeout(5):
            while len(seen) < 2:
                await asyncio.sleep(0.05)
        await asyncio.sleep(max(0, (int(dict(record.headers)["deadline"]) - now_ms()) / 1000))
        await stranger.send_and_wait(USER_SIGNOUT.name, record.value, **again)
        await client.call(USER_SIGNOUT, request)
    assert seen[0] == seen[1]
    assert len(seen) == 3, "past its deadline it is dropped"


async def test_with_another_secret_nobody_is_answered(bootstrap: str) -> None:
    ours, theirs = settings_for(bootstrap), settings_for(bootstrap, mesh_secret=OTHER_SECRET)
    async with running_service(ours, keys_only()), running_client(theirs) as client:
        with pytest.raises(ServiceError) as raised:
            await client.call(KEYS_GET, GetKeys(), deadline_ms=now_ms() + 2_000)
    assert raised.value.code is MESH_TIMEOUT


@pytest.mark.parametrize(
    ("caller", "service"),
    [
        ({"mesh_secret": SECRET}, {"mesh_secret": SECRET, "mesh_secret_also": OTHER_SECRET}),
        (
            {"mesh_secret": OTHER_SECRET, "mesh_secret_also": SECRET},
            {"mesh_secret": SECRET, "mesh_secret_also": OTHER_SECRET},
        ),
        ({"mesh_secret": OTHER_SECRET}, {"mesh_secret": OTHER_SECRET, "mesh_secret_also": SECRET}),
    ],
    ids=["the new one is known", "half of them sign with it", "the old one goes"],
)
async def test_the_secret_changes_without_a_gap(
    bootstrap: str, caller: dict[str, str], service: dict[str, str]
) -> None:
    for one, other in ((caller, service), (service, caller)):
        async with (
            running_service(settings_for(bootstrap, **other), keys_only()),
            running_client(settings_for(bootstrap, **one)) as client,
        ):
            assert await client.call(KEYS_GET, GetKeys()) == TRUE


class Auth:
    """Signs everybody in, with sealing keys that the test changes."""

    def __init__(self) -> None:
        self.seals = FieldEncryption()
        self.passwords: list[str] = []
        self.published: list[Jwk] = []
        self.rotate("k1")

    def rotate(self, kid: str, *, published: bool = True) -> None:
        key = X25519PrivateKey.generate()
        self.seals.use({kid: key})
        if published:
            self.published = [Jwk(kid=kid, x=public_text(key), crv="X25519", alg=ALGORITHM, use="enc")]

    async def answer(self, request: Any, call: Call) -> Any:
        if call.operation is KEYS_GET:
            return Jwks(keys=self.published)
        self.passwords.append(request.password)
        return msgspec.convert(example_of(SignedIn), SignedIn)


async def test_secrets_are_sealed_between_caller_and_service(bootstrap: str) -> None:
    auth = Auth()
    settings = settings_for(bootstrap)
    password, email = f"pass {secrets.token_hex(8)}", "ada@example.org"
    async with (
        running_service(settings, answering_all("auth", auth.answer), seals=auth.seals),
        running_client(settings) as client,
    ):
        answers = [await client.call(USER_SIGNIN, SignIn(email=email, password=password))]
        auth.rotate("k2")
        answers.append(await client.call(USER_SIGNIN, SignIn(email=email, password=password)))
        record = await last_request(bootstrap, USER_SIGNIN.name)
        auth.rotate("k3", published=False)
        with pytest.raises(ServiceError) as raised:
            await client.call(USER_SIGNIN, SignIn(email=email, password=password))
    assert raised.value.code is MESH_BUSY
    assert auth.passwords == [password] * 2
    assert [answer.access_token for answer in answers] == [example_of(SignedIn)["accessToken"]] * 2
    assert password.encode() not in record.value
    assert set(msgspec.json.decode(record.value)["password"]) == {"sealed", "key"}
    assert UUID(dict(record.headers)[CALL_ID].decode())
