"""Garbage in Kafka stops no consumer, foreign programs get replies, and no secret stays in logs or topics."""

import asyncio
import json
import random
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.contracts.catalogue import EVENTS, OPERATIONS, SERVICES
from shared.contracts.errors import ServiceError
from shared.contracts.topics import dead_letter_topic
from shared.contracts.validation import decode_body
from tests.e2e.concord import Concord, topics_of
from tests.e2e.people import PASSWORD, Person, sign_up
from tests.e2e.planted import PLANTED
from tests.integration.kit.raw import RawName, raw_batch, write_raw
from tests.unit.kit.rpc.calls import SIGNATURES

Headers: TypeAlias = list[tuple[str, bytes | None]]
Position: TypeAlias = tuple[str, int, int]

MIB = 1024 * 1024 - 2048
"""Just below the largest record of the broker, in bytes."""
MARK = "dont-keep-this"
TOKEN = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.|[0-9a-f]{32}\.[\w-]{43}")
"""The form of access and refresh tokens."""
SETTLE_S = 30


@pytest.fixture(scope="module")
def bootstrap(concord: Concord) -> str:
    return concord.environ["KAFKA_BOOTSTRAP_SERVERS"]


def garbage(chance: random.Random, mark: str = MARK) -> list[tuple[bytes, Headers]]:
    """Return values and headers that no caller should write."""
    noise = chance.randbytes
    return [
        (noise(MIB), []),
        (b'{"content": "' + b"x" * (MIB - 100) + b'"}', []),
        (noise(200), [("correlation_id", noise(20)), ("call_id", noise(20)), ("reply_to", noise(20))]),
        (b"", [(name, None) for name in ("correlation_id", "call_id", "reply_to", "traceparent")]),
        (b"[" * 100_000, [("deadline", b"99999999999999999999"), ("reply_to", b"message.send")]),
        (b"null", [("idempotency_key", noise(50_000)), ("", b""), ("ключ", b"x")]),
        (json.dumps({"password": [mark], "profileId": 7, "token": mark}).encode(), [("h", b"x")] * 500),
    ]


def use(http: httpx.Client) -> Person:
    """Use several operations of every service; fail if one does not succeed."""
    ada = sign_up(http, "Ada")
    server = ada.make_server()
    channel = server["channels"][0]["id"]
    for number in range(3):
        assert ada.send(channel, f"message {number}").status_code == 201
    history = ada.get(f"/api/channels/{channel}/messages")
    assert (history.status_code, len(history.json()["items"])) == (200, 3)
    me = ada.get("/api/auth/me")
    assert me.status_code == 200, me.text
    members = ada.get(f"/api/servers/{server['id']}/members")
    assert members.status_code == 200, members.text
    return ada


async def test_garbage_in_all_request_topics_stops_no_consumer(bootstrap: str, http: httpx.Client) -> None:
    """Requests succeed during and after it; each piece becomes a dead letter without its value."""
    chance = random.Random(11)
    before = await _ends(bootstrap)
    done = asyncio.Event()

    async def use_until_done() -> int:
        rounds = 0
        while not done.is_set() or not rounds:
            await asyncio.to_thread(use, http)
            rounds += 1
        return rounds

    using = asyncio.create_task(use_until_done())
    try:
        expected = await _write(bootstrap, garbage(chance))
        await _write_replies(bootstrap, garbage(chance))
    finally:
        done.set()
    assert await using > 0
    assert len(expected) > 12 * len(OPERATIONS)
    letters = await _letters(bootstrap, before, expected)
    for letter in letters:
        assert not letter.value, "a dead letter keeps its value"
        assert MARK.encode() not in repr(letter.headers).encode()
        assert dict(letter.headers)["reason"]
    await asyncio.to_thread(use, http)


async def _write(bootstrap: str, records: list[tuple[bytes, Headers]]) -> set[Position]:
    """Write each record to every request topic, signed and unsigned; return the positions of invalid ones."""
    by_strangers = await _write_to(bootstrap, OPERATIONS, records, signed=False)
    places = await _write_to(bootstrap, OPERATIONS, records, signed=True)
    return {*by_strangers, *(place for place, value in places.items() if _is_refused(place[0], value))}


async def _write_to(
    bootstrap: str, topics: Iterable[str], records: list[tuple[bytes, Headers]], *, signed: bool
) -> dict[Position, bytes]:
    """Write each record to every topic, over all partitions; return the value at each position."""
    places = {}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * MIB) as producer:
        for topic in topics:
            for number, (value, headers) in enumerate(records):
                if signed:
                    given = [(name, text) for name, text in headers if text is not None]
                    headers = [*given, SIGNATURES.signature(topic, None, value, given)]
                sent = await producer.send_and_wait(topic, value, partition=number % 4, headers=headers)
                places[topic, sent.partition, sent.offset] = value
    return places


def _is_refused(topic: str, value: bytes) -> bool:
    if len(value) > 256 * 1024:
        return True
    try:
        decode_body(value, OPERATIONS[topic].request)
    except ServiceError:
        return True
    return False


async def _write_replies(bootstrap: str, records: list[tuple[bytes, Headers]]) -> None:
    """Write the records and false replies to the reply topics of all callers."""
    false_replies: list[tuple[bytes, Headers]] = [
        (b"{}", [("call_id", call_id), ("status", status)])
        for call_id in (b"nobody", b"\xff", None)
        for status in (b"200", b"999", b"", None)
    ]
    topics = [name for name in await topics_of(bootstrap) if re.match(r"(gateway|message)\.replies\.", name)]
    assert any(name.startswith("gateway") for name in topics)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * MIB) as producer:
        for topic in topics:
            for value, headers in (*records, *false_replies):
                await producer.send_and_wait(topic, value, partition=0, headers=headers)
            bad = raw_batch([], [(RawName(b"\xff"), b"")])
            await write_raw(bootstrap, topic, 0, bad, 2)


async def _ends(bootstrap: str) -> dict[TopicPartition, int]:
    """Return the end offsets of all dead-letter topics."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as consumer:
        places = [TopicPartition(dead_letter_topic(service), 0) for service in SERVICES]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return ends


async def _letters(
    bootstrap: str, since: dict[TopicPartition, int], expected: set[Position]
) -> list[ConsumerRecord]:
    """Wait for the dead letters of these positions and return them; fail if one does not come."""
    collected: dict[Position, ConsumerRecord] = {}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as consumer:
        consumer.assign(list(since))
        for place, offset in since.items():
            consumer.seek(place, offset)
        try:
            async with asyncio.timeout(SETTLE_S):
                while expected - collected.keys():
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        collected.update({_origin(record): record for record in records})
        except TimeoutError:
            missing = sorted(expected - collected.keys())
            raise AssertionError(f"{len(missing)} are no dead letters: {missing[:5]}") from None
    return [collected[place] for place in expected]


def _origin(record: ConsumerRecord) -> Position:
    headers = dict(record.headers)
    partition, offset = (int(headers[f"original-{name}"]) for name in ("partition", "offset"))
    return headers["original-topic"].decode(), partition, offset


def false_events() -> list[bytes]:
    """Return records with the form of events and invalid contents."""
    common = {"id": str(uuid4()), "occurredAt": "2026-05-01T12:00:00Z", "version": 1}
    said = [
        {"type": name, "revision": revision, "data": data}
        for name in EVENTS
        for revision, data in ((1, {}), (1, None), (2**63, {"id": str(uuid4())}), (-1, {}))
    ]
    said += [{"type": "no.such", "revision": 1, "data": {}}, {"type": 5}]
    return [json.dumps({**common, **event}).encode() for event in said]


async def test_garbage_among_the_events_stops_no_consumer(
    bootstrap: str, http: httpx.Client, person: Callable[..., Person]
) -> None:
    """Removed members, new names and revoked sessions still reach all services within seconds."""
    topics = sorted({topic for event in EVENTS.values() for topic in event.topics})
    before = await _ends(bootstrap)
    noise = garbage(random.Random(12), "no event has a secret")
    records = [*noise, *((value, []) for value in false_events())]
    by_strangers = await _write_to(bootstrap, topics, records, signed=False)
    places = await _write_to(bootstrap, topics, records, signed=True)
    ada, bob = person("Ada"), person("Bob")
    server = ada.make_server()
    channel = server["channels"][0]["id"]
    bob.join(server)
    assert bob.send(channel, "hello").status_code == 201
    assert ada.delete(f"/api/servers/{server['id']}/members/{bob.id}").status_code == 204
    await _until(lambda: bob.send(channel, "still?").status_code == 404)
    assert ada.patch("/api/auth/me", json={"name": "Countess"}).status_code == 200
    members = f"/api/servers/{server['id']}/members"
    await _until(lambda: ada.get(members).json()["items"][0]["name"] == "Countess")
    assert bob.post("/api/auth/signout").status_code == 204
    await _until(lambda: bob.get("/api/auth/me").status_code == 401)
    read = {place for place in (*places, *by_strangers) if place[0] in ("server-events", "user-events")}
    undecodable = {place for place in read & places.keys() if not places[place].startswith(b'{"id"')}
    assert len(undecodable) == 2 * len(noise)
    await _letters(bootstrap, before, undecodable | (read & by_strangers.keys()))


async def _until(holds: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


async def test_a_request_without_a_call_id_is_answered_by_its_correlation_id(
    bootstrap: str, person: Callable[..., Person]
) -> None:
    """A foreign program that knows the secret needs a correlation id and a reply topic only."""
    ada = person("Ada")
    server = ada.make_server()
    channel = server["channels"][0]["id"]
    sent = ada.send(channel, "hello").json()
    caller = {"profileId": ada.id}
    requests: dict[str, tuple[str, dict[str, Any]]] = {
        "me": ("user.get", caller),
        "server": ("get.server", {**caller, "serverId": server["id"]}),
        "history": ("message.history", {**caller, "channelId": channel}),
        "send": ("message.send", {**caller, "channelId": channel, "content": "by Kafka"}),
        "nobody": ("get.server", {**caller, "serverId": ada.id}),
        "wrong": ("get.server", {**caller, "serverId": 5}),
    }
    replies = await _ask(bootstrap, {f"{ada.id}-{name}": requests[name] for name in requests})
    bodies = {name: json.loads(replies[f"{ada.id}-{name}"].value) for name in requests}
    headers = {name: dict(replies[f"{ada.id}-{name}"].headers) for name in requests}
    statuses = {name: int(headers[name]["status"]) for name in requests}
    assert statuses == {"me": 200, "server": 200, "history": 200, "send": 201, "nobody": 404, "wrong": 400}
    assert bodies["me"] == ada.profile
    assert bodies["server"] == server
    assert sent in bodies["history"]["items"]
    assert bodies["send"]["sequence"] == 2
    assert headers["nobody"]["error"] == b"server.not_found"
    assert headers["wrong"]["error"] == b"validation.failed"
    assert [error["path"] for error in bodies["wrong"]["errors"]] == ["serverId"]
    assert not any("error" in headers[name] for name in ("me", "server", "history", "send"))


async def _ask(bootstrap: str, requests: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, ConsumerRecord]:
    """Send these requests; return their replies by correlation id."""
    reply_to = f"stranger.replies.{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(reply_to, 1, 1)])
    replies: dict[str, ConsumerRecord] = {}
    try:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            for correlation_id, (topic, body) in requests.items():
                headers = [("correlation_id", correlation_id.encode()), ("reply_to", reply_to.encode())]
                value = json.dumps(body).encode()
                headers.append(SIGNATURES.signature(topic, None, value, headers))
                await producer.send_and_wait(topic, value, headers=headers)
        async with (
            asyncio.timeout(SETTLE_S),
            AIOKafkaConsumer(
                reply_to, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest"
            ) as consumer,
        ):
            while requests.keys() - replies.keys():
                record = await consumer.getone()
                replies[dict(record.headers)["correlation_id"].decode()] = record
    finally:
        await admin.delete_topics([reply_to])
        await admin.close()
    return replies


async def test_no_secret_is_in_a_log_or_a_dead_letter(
    concord: Concord, bootstrap: str, http: httpx.Client
) -> None:
    """Search for the passwords and tokens of this test, and for everything with the form of a token."""
    password = f"very secret {secrets.token_hex(8)}"
    ada = _use_secrets(http, password)
    known = {password, PASSWORD, MARK, ada.access_token, ada.refresh_token}
    for token in (ada.access_token, ada.refresh_token):
        assert TOKEN.search(token.encode()), "tokens have another form than this test knows"
    logs = {path.name: path.read_bytes() for path in concord.folder.rglob("*.log")}
    assert {name.split("-")[0] for name in logs} >= {"gateway", *SERVICES}
    assert b"/api/auth/signin" in b"".join(logs.values()), "the logs have no line of this test"
    before = await _ends(bootstrap)
    PLANTED.add(ada.refresh_token.encode())
    wrong = json.dumps({"email": 5, "password": password, "token": ada.refresh_token}).encode()
    await _letters(bootstrap, before, await _write(bootstrap, [(wrong, [])]))
    letters = await _all_dead_letters(bootstrap)
    assert len(letters) > len(OPERATIONS) / 2
    for name, text in {**logs, **letters}.items():
        assert _secrets_in(text, known) == [], name


def _use_secrets(http: httpx.Client, password: str) -> Person:
    """Send secrets in valid and invalid bodies, headers and queries."""
    email = f"{secrets.token_hex(6)}@example.org"
    body = {"name": "Ada", "email": email, "password": password}
    ada = Person(http, http.post("/api/auth/signup", json=body).raise_for_status().json())
    for wrong in (
        {"email": email, "password": password, password: ada.refresh_token},
        {"email": [password], "password": {password: password}},
        {"email": email, "password": password * 10},
    ):
        assert http.post("/api/auth/signin", json=wrong).status_code == 400
    assert http.post("/api/auth/signin", json={"email": email, "password": password}).status_code == 200
    assert http.post("/api/auth/signin", content=password).status_code == 415
    assert ada.post("/api/auth/password", json={"current": password, "new": "short"}).status_code == 400
    refreshed = http.post("/api/auth/refresh", json={"refreshToken": ada.refresh_token})
    assert refreshed.status_code == 200
    assert http.post("/api/auth/refresh", json={"refreshToken": ada.refresh_token + "x"}).status_code == 401
    assert ada.get("/api/auth/me", params={"access_token": ada.access_token}).status_code == 200
    assert ada.get(f"/api/invites/{ada.refresh_token[:30]}").status_code in (400, 404)
    changed = f"{password} 2"
    assert ada.post("/api/auth/password", json={"current": password, "new": changed}).status_code == 204
    return ada


async def _all_dead_letters(bootstrap: str) -> dict[str, bytes]:
    """Return every record of the dead-letter and retry topics by its position."""
    collected: dict[str, bytes] = {}
    topics = [name for name in await topics_of(bootstrap) if re.search(r"\.dead-letters$|\.retry\.", name)]
    async with AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest"
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    parts = (record.key, record.value, repr(record.headers).encode())
                    collected[f"{place.topic} {place.partition} {record.offset}"] = b" ".join(
                        part or b"" for part in parts
                    )
    return collected


def _secrets_in(text: bytes, known: set[str]) -> list[bytes]:
    """Return those of the secrets that a text holds, and everything with the form of a token."""
    return [secret.encode() for secret in known if secret.encode() in text] + TOKEN.findall(text)


def test_secrets_would_be_found() -> None:
    token = b"eyJhbGciOiJFZERTQSJ9x.eyJpc3MiOiJjb25jb3JkIn0x.c2ln"
    assert _secrets_in(b'{"m": "%s"}' % token, set())
    assert _secrets_in(b"token " + b"0a" * 16 + b"." + b"A" * 43, set())
    assert _secrets_in(b"pass word!", {"pass word"}) == [b"pass word"]
    assert _secrets_in(b"a plain line", {PASSWORD}) == []
