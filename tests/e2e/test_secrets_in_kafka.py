"""No topic holds a usable secret after people have used every operation that takes or returns one.

The topics are read by aiokafka, and by kcat if it is installed, which shares no code with Concord.
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared.contracts.catalogue import OPERATIONS
from tests.e2e.concord import Concord, topics_of
from tests.e2e.files import PNG
from tests.e2e.people import Person, sign_up
from tests.e2e.planted import PLANTED
from tests.e2e.test_kafka_garbage import TOKEN

SECRETS = ("user.signup", "user.signin", "user.refresh", "user.changePassword")
SIGNED_BY = "X-Amz-Signature"
SHARED = f"shared-{secrets.token_hex(6)}"
"""Correlation id of all requests about the picture."""
ADDRESSES = ("file.create", "file.download", "file.thumbnail")


@pytest.fixture(scope="module")
def bootstrap(concord: Concord) -> str:
    return concord.environ["KAFKA_BOOTSTRAP_SERVERS"]


@pytest.fixture(scope="module")
def used(concord: Concord) -> set[str]:
    """Sign up, in and out, change passwords, share a picture; return every secret of it."""
    with httpx.Client(base_url=concord.processes[0].url, timeout=15) as http:
        return _use_secrets(http) | _use_addresses(http)


def _use_secrets(http: httpx.Client) -> set[str]:
    passwords = [f"secret words {secrets.token_hex(8)}" for _ in range(3)]
    email = f"{secrets.token_hex(6)}@example.org"
    body = {"name": "Ada", "email": email, "password": passwords[0]}
    ada = Person(http, http.post("/api/auth/signup", json=body).raise_for_status().json())
    seen = {ada.access_token, ada.refresh_token, *passwords}
    known = {"email": email, "password": passwords[0]}
    refreshed = http.post("/api/auth/refresh", json={"refreshToken": ada.refresh_token}).raise_for_status()
    changed = ada.post("/api/auth/password", json={"current": passwords[0], "new": passwords[1]})
    assert changed.status_code == 204, changed.text
    for wrong in (known, known | {"password": passwords[2]}):
        assert http.post("/api/auth/signin", json=wrong).status_code == 401
    again = http.post("/api/auth/signin", json=known | {"password": passwords[1]}).raise_for_status()
    for answer in (refreshed.json(), again.json()):
        assert TOKEN.fullmatch(answer["refreshToken"].encode())
        assert TOKEN.match(answer["accessToken"].encode())
        seen |= {answer["accessToken"], answer["refreshToken"]}
    server = ada.make_server()
    assert ada.send(server["channels"][0]["id"], "no secret").status_code == 201
    assert ada.post("/api/auth/signout").status_code == 204
    return seen


def _use_addresses(http: httpx.Client) -> set[str]:
    """Announce a picture twice and share it; return the signatures of its URLs."""
    ada, picture = sign_up(http), PNG
    channel = ada.make_server()["channels"][0]["id"]
    file = {"channelId": channel, "name": "a.png", "size": len(picture), "contentType": "image/png"}
    headers = {"Idempotency-Key": channel, "X-Correlation-Id": SHARED}
    made = [ada.post("/api/files", json=file, headers=headers).raise_for_status().json() for _ in range(2)]
    upload = made[1]["upload"]
    httpx.put(upload["url"], headers=upload["headers"], content=picture).raise_for_status()
    path = f"/api/files/{made[0]['file']['id']}"
    ada.post(f"{path}/complete").raise_for_status()
    redirects = [
        ada.get(f"{path}/{part}", headers={"X-Correlation-Id": SHARED}) for part in ("content", "thumbnail")
    ]
    addresses = [announced["upload"]["url"] for announced in made] + [
        redirect.headers["location"] for redirect in redirects
    ]
    assert all(httpx.get(address).is_success for address in addresses[2:])
    return {address.partition(f"{SIGNED_BY}=")[2].partition("&")[0] for address in addresses}


async def test_no_topic_holds_a_password_or_a_token(bootstrap: str, used: set[str]) -> None:
    records = await _all_records(bootstrap)
    assert all(len(secret) > 7 for secret in used)
    assert {record.topic for record in records} >= set(ADDRESSES)
    sealed = {record.topic for record in records if b'{"sealed":"' in (record.value or b"")}
    assert sealed >= set(SECRETS), "no request was read"
    addressed = [record for record in records if b'"url":{"sealed":"' in (record.value or b"")]
    assert len(addressed) >= 4, "no URL was read"
    assert any(topic.startswith("gateway.replies.") for topic in sealed), "no reply was read"
    for record in records:
        text = b"\n".join((record.key or b"", record.value or b"", repr(record.headers).encode()))
        assert _found(text, used) == [], (record.topic, record.partition, record.offset)


def test_kcat_finds_no_secret(bootstrap: str, used: set[str]) -> None:
    kcat = shutil.which("kcat") or shutil.which("kafkacat")
    if kcat is None:
        pytest.skip("kcat is not installed")
    topics = [name for name in asyncio.run(topics_of(bootstrap)) if not name.startswith("__")]
    # With a consumer group: without one kcat reads a single topic only.
    group = ["-X", "auto.offset.reset=earliest", "-G", f"kcat-{secrets.token_hex(4)}"]
    command = [kcat, "-e", "-q", "-b", bootstrap, "-f", "%k\\n%h\\n%s\\n", *group, *topics]
    dump = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert _found(dump, used) == []
    assert b'{"sealed":"' in dump, "nothing was read"


async def test_a_recorded_sign_up_cannot_be_replayed_as_another_operation(
    bootstrap: str, http: httpx.Client
) -> None:
    """Replayed as it is, it is the same call; to any other topic it is rejected."""
    ada = await asyncio.to_thread(sign_up, http)
    before = await _reply_ends(bootstrap)
    (record,) = [
        record
        for record in await _records_of(bootstrap, ["user.signup"])
        if str(ada.profile["email"]).encode() in (record.value or b"")
    ]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for topic in SECRETS:
            headers = list(record.headers)
            await producer.send_and_wait(topic, record.value, key=record.key, headers=headers)
    async with asyncio.timeout(8):
        refused: list[ConsumerRecord] = []
        while len(refused) < len(SECRETS) - 1:
            await asyncio.sleep(0.2)
            replies = await _records_of(bootstrap, {partition.topic for partition in before}, before)
            refused = [reply for reply in replies if dict(reply.headers).get("error") == b"signature.invalid"]
    assert all("signature" not in dict(reply.headers) for reply in refused)
    sessions = await asyncio.to_thread(ada.get, "/api/auth/sessions")
    assert len(sessions.json()["items"]) == 1


def test_traces_and_logs_hold_no_secret(concord: Concord, used: set[str]) -> None:
    """`concord trace --bodies` reads Kafka and the logs of all processes."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "trace", SHARED, "--bodies"],
        env={**os.environ, **concord.environ},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.count(b"file.create partition") == 2
    assert _found(done.stdout, used) == []
    logs = b"".join(path.read_bytes() for path in concord.folder.rglob("*.log"))
    assert b"/api/files" in logs
    assert _found(logs, used) == []


def test_secrets_would_be_found() -> None:
    assert _found(b'{"password":"correct horse"}', {"correct horse"})
    assert _found(b'"url":"http://127.0.0.1/b/k?X-Amz-Expires=9&X-Amz-Signature=5f1c"', set())
    assert _found(b"x eyJhbGciOiJFZERTQSJ9x.eyJpc3MiOiJjb25jb3JkIn0x.c2ln", set())


def _found(text: bytes, known: set[str]) -> list[bytes]:
    """Return known secrets, plain or as JSON escapes them, and everything like a token or a signed URL."""
    forms = {form for secret in known for form in (secret.encode(), json.dumps(secret)[1:-1].encode())}
    tokens = [token for token in TOKEN.findall(text) if token not in PLANTED]
    return [form for form in (*forms, SIGNED_BY.encode()) if form in text] + tokens


async def _all_records(bootstrap: str) -> list[ConsumerRecord]:
    """Return every record of every topic of Concord."""
    topics = [name for name in await topics_of(bootstrap) if not name.startswith("__")]
    assert set(OPERATIONS) <= set(topics)
    return await _records_of(bootstrap, topics)


async def _records_of(
    bootstrap: str, topics: Iterable[str], since: Mapping[TopicPartition, int] | None = None
) -> list[ConsumerRecord]:
    """Return all records of the topics, or those from the offsets of `since` on."""
    collected: list[ConsumerRecord] = []
    async with AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest"
    ) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
        for partition in (since or {}).keys() & ends.keys():
            consumer.seek(partition, since[partition])
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                collected.extend(records)
    return collected


async def _reply_ends(bootstrap: str) -> dict[TopicPartition, int]:
    """Return the end offsets of all reply topics."""
    topics = [name for name in await topics_of(bootstrap) if ".replies." in name]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(
            [TopicPartition(name, 0) for name in topics]
        )
    return ends
