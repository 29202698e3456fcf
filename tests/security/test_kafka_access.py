"""Kafka with TLS, SCRAM and the documented ACLs: each process works with exactly those."""

import asyncio
import secrets
from collections.abc import Iterator

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
)

from cli.embedded.kafka_jars import JarCache
from cli.generators.kafka_acls import OPERATOR, PREPARE, grants
from cli.provisioning.provision import prepare
from shared.kit.config.settings import ToolSettings, load
from shared.kit.dead_letters.store import DeadLetter, DeadLetterStore
from shared.kit.kafka.options import kafka_options
from shared.kit.kafka.topic_reader import ReadLimits
from shared.kit.rpc.reply_topics import ReplyTopicCollector, create_reply_topic
from shared.kit.security.record_signatures import RecordSigner
from tests.e2e.concord import Concord, Process, topics_of
from tests.e2e.conftest import make_databases
from tests.e2e.people import sign_up
from tests.security.broker import SecuredKafka
from tests.support.polling import eventually
from tests.support.s3 import TestedS3, s3_settings

PROCESSES = ("gateway", "auth", "server", "message", "file")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, jar_cache: JarCache) -> Iterator[SecuredKafka]:
    folder = tmp_path_factory.mktemp("secured")
    kafka = SecuredKafka(folder, jar_cache, (*PROCESSES, PREPARE, OPERATOR))
    try:
        kafka.broker.start(print)
        kafka.broker.wait_ready()
        asyncio.run(kafka.allow(grants()))
        yield kafka
    finally:
        kafka.broker.stop()


@pytest.fixture(scope="module")
def concord(
    secured: SecuredKafka,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_admin_url: str,
    s3: TestedS3,
) -> Iterator[Concord]:
    """Every process signs in as itself."""
    folder = tmp_path_factory.mktemp("concord")
    running = Concord(folder, "", make_databases(postgres_admin_url, "secured"), **s3_settings(s3))
    prepare(running.environ | secured.environ(PREPARE))
    try:
        for name in PROCESSES:
            running.processes.append(
                Process(name, running.environ | secured.environ(name), folder / f"{name}.log")
            )
        running.wait_ready()
        yield running
    finally:
        running.stop()


def test_each_process_works_with_exactly_what_the_page_grants(concord: Concord) -> None:
    with httpx.Client(base_url=concord.processes[0].url, timeout=20) as http:
        ada, bob = sign_up(http, "Ada"), sign_up(http, "Bob")
        server = ada.make_server()
        bob.join(server)
        channel = server["channels"][0]["id"]
        assert bob.send(channel, "hello").status_code == 201
        assert len(ada.get(f"/api/channels/{channel}/messages").json()["items"]) == 1
        members = ada.get(f"/api/servers/{server['id']}/members").json()["items"]
        assert {member["name"] for member in members} == {"Ada", "Bob"}, "server asked auth"
        file = {"file": ("a.txt", b"tea", "text/plain")}
        sent = bob.post("/api/files/upload", data={"channelId": channel}, files=file)
        assert sent.status_code == 201, "file asked auth and server"
        file_id = sent.json()["id"]
        shown = bob.send(channel, "look", attachments=[file_id]).json()
        assert [each["id"] for each in shown["attachments"]] == [file_id], "message asked file"
        assert bob.delete(f"/api/files/{file_id}").status_code == 204
        path = f"/api/channels/{channel}/messages?limit=1"
        # message hears of it from file
        eventually(lambda: ada.get(path).json()["items"][0]["attachments"] == [])
        assert ada.delete(f"/api/servers/{server['id']}").status_code == 204
        # message hears of it from server, and the gateway of the next from auth
        eventually(lambda: bob.send(channel, "still there?").status_code == 404, 10)
        assert ada.post("/api/auth/signout").status_code == 204
        eventually(lambda: ada.get("/api/auth/me").status_code == 401, 10)
    logs = "".join(process.log.read_text() for process in concord.processes)
    assert "Authorization" not in logs, [line for line in logs.splitlines() if "Authorization" in line]


def client_options(secured: SecuredKafka, user: str, password: str | None = None) -> dict[str, object]:
    return kafka_options(load(ToolSettings, secured.environ(user, password)))


@pytest.mark.usefixtures("concord")
@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("auth", "message.send"),
        ("auth", "message-events"),
        ("gateway", "live-events"),
        ("message", "user.signin"),
        ("server", "user-events"),
        ("operator", "message.send"),
        ("prepare", "user-events"),
        ("file", "message.send"),
        ("file", "server-events"),
    ],
)
async def test_nobody_writes_where_nothing_is_theirs(secured: SecuredKafka, user: str, topic: str) -> None:
    assert topic in await topics_of(secured.broker.bootstrap)
    async with AIOKafkaProducer(**client_options(secured, user), request_timeout_ms=5_000) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(topic, b"{}")


@pytest.mark.usefixtures("concord")
async def test_who_writes_requests_does_not_read_them(secured: SecuredKafka) -> None:
    async with AIOKafkaProducer(bootstrap_servers=secured.broker.bootstrap) as producer:
        await producer.send_and_wait("user.signin", b"{}", partition=0)  # there is something to be read
    assert (await first_of(secured, OPERATOR, "user.signin")).topic == "user.signin"
    with pytest.raises(TopicAuthorizationFailedError):
        await first_of(secured, "gateway", "user.signin")


async def first_of(secured: SecuredKafka, user: str, topic: str) -> ConsumerRecord:
    """The first record of a topic, as this user reads it."""
    consumer = AIOKafkaConsumer(**client_options(secured, user), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(20):
            return await consumer.getone()
    finally:
        await consumer.stop()


@pytest.mark.usefixtures("concord")
@pytest.mark.parametrize(
    ("user", "topic", "code"),
    [
        ("auth", "message.send", TopicAuthorizationFailedError.errno),
        ("server", "user.signin", TopicAuthorizationFailedError.errno),
        ("operator", "rate-limits", TopicAuthorizationFailedError.errno),
        ("file", "user.signin", TopicAuthorizationFailedError.errno),
        ("message", "message.send", 0),
    ],
)
async def test_nobody_sees_the_topics_of_others(
    secured: SecuredKafka, user: str, topic: str, code: int
) -> None:
    """What may not even be described is neither read nor written."""
    admin = AIOKafkaAdminClient(**client_options(secured, user))
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    assert described["error_code"] == code


async def test_callers_delete_idle_reply_topics_of_their_own_service_alone(secured: SecuredKafka) -> None:
    """A service sees the reply topics of those whom it answers, too."""
    signatures = RecordSigner(secrets.token_hex(32))
    callers = ("server", "file", "message", "gateway")
    for user in callers:
        options = client_options(secured, user)
        for name in ("own", "idle"):
            await create_reply_topic(options, f"{user}.replies.{name}", 1, signatures)
        async with AIOKafkaProducer(**options) as producer:
            await producer.send_and_wait(f"{user}.replies.own", b"beat")
    for user in callers:
        collector = ReplyTopicCollector(
            client_options(secured, user), f"{user}.replies.own", signatures, idle_after_ms=0
        )
        assert await collector.collect() == [f"{user}.replies.idle"]


@pytest.mark.usefixtures("concord")
async def test_nobody_joins_the_group_of_others(secured: SecuredKafka) -> None:
    options = client_options(secured, "auth")
    consumer = AIOKafkaConsumer("user.signin", **options, group_id="message-consumer-group")
    with pytest.raises(GroupAuthorizationFailedError):
        async with asyncio.timeout(10):
            await consumer.start()
            await consumer.getone()
    await consumer.stop()


async def test_a_wrong_password_is_told(secured: SecuredKafka) -> None:
    producer = AIOKafkaProducer(**client_options(secured, "auth", "wrong"))
    with pytest.raises(KafkaConnectionError):
        await producer.start()
    await producer.stop()


async def test_a_certificate_of_nobody_is_refused(secured: SecuredKafka) -> None:
    environ = {**secured.environ("auth"), "KAFKA_SSL_CAFILE": ""}
    producer = AIOKafkaProducer(**kafka_options(load(ToolSettings, environ)))
    with pytest.raises(KafkaConnectionError):
        await producer.start()
    await producer.stop()


@pytest.mark.usefixtures("concord")
async def test_what_fails_is_put_away_and_the_operator_redrives_it(secured: SecuredKafka) -> None:
    async with AIOKafkaProducer(bootstrap_servers=secured.broker.bootstrap) as producer:
        await producer.send_and_wait("server-events", b"no event")
    letters = DeadLetterStore(
        client_options(secured, OPERATOR), ("auth", "server", "message", "file"), ReadLimits()
    )

    async def until(count: int) -> tuple[DeadLetter, ...]:
        async with asyncio.timeout(20):
            while len(found := await of_the_event()) < count:
                await asyncio.sleep(0.5)
            return found

    async def of_the_event() -> tuple[DeadLetter, ...]:
        box = await letters.read()
        found = (letter for letter in box.letters if letter.origin.topic == "server-events")
        return tuple(letter for letter in found if letter.service == "message")

    found = await until(1)
    assert len(await letters.redrive(found)) == 1
    first, again = await until(2)
    assert first.redriven_at_ms is not None
    assert again.text("dead-letter") == first.id
