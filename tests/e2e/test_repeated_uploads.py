"""Clients repeat uploads and completions whose response was lost, at either upload endpoint."""

import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from tests.e2e.concord import Concord
from tests.e2e.files import PNG, Bucket, Room, code, put
from tests.e2e.people import Person
from tests.support.polling import eventually

PATH = "/api/files/upload"
PART = 5 * 2**20
QUOTA = 2**30
MOST = 25 * 2**20


class Doors:
    """The two upload endpoints: the gateway, and the file service's own port."""

    def __init__(self, concord: Concord) -> None:
        ports = concord.processes[0].port, int(concord.environ["FILE_PORT"])
        self.gateway, self.file = (f"http://127.0.0.1:{port}{PATH}" for port in ports)
        self.both = self.gateway, self.file


@pytest.fixture
def doors(concord: Concord) -> Doors:
    return Doors(concord)


@pytest.fixture(params=["gateway", "file"])
def door(request: pytest.FixtureRequest, doors: Doors) -> str:
    return str(getattr(doors, request.param))


def upload(
    door: str, person: Person, channel: str, key: str, body: bytes = PNG, **headers: str
) -> httpx.Response:
    """Upload a form with a random boundary."""
    sent = {"Authorization": f"Bearer {person.access_token}", "Idempotency-Key": key, **headers}
    form: dict[str, Any] = {"data": {"channelId": channel}, "files": {"file": ("a.png", body, "image/png")}}
    return httpx.post(door, headers=sent, timeout=30, **form)


def files_in(bucket: Bucket) -> set[str]:
    """Return the keys of files without their thumbnails, which are rendered later."""
    return set(bucket.keys("files/"))


def test_the_same_upload_at_either_door_is_one_file(room: Room, bucket: Bucket, doors: Doors) -> None:
    before, key = files_in(bucket), secrets.token_hex(6)
    answers = [upload(door, room.ada, room.channel, key) for door in doors.both * 2]
    assert {answer.status_code for answer in answers} == {201}, answers[0].text
    assert len({answer.content for answer in answers}) == 1
    file_id = answers[0].json()["id"]
    eventually(lambda: files_in(bucket) - before == {f"files/{file_id}"})
    assert upload(doors.gateway, room.ben, room.channel, key).json()["id"] != file_id


def test_another_file_with_the_same_key(room: Room, doors: Doors) -> None:
    key = secrets.token_hex(6)
    assert upload(doors.gateway, room.ada, room.channel, key).status_code == 201
    for door in doors.both:
        for other in (PNG + b"x", PNG + bytes(2 * PART)):
            refused = upload(door, room.ada, room.channel, key, other)
            assert code(refused) == (409, "idempotency.mismatch")
        too_large = upload(door, room.ada, room.channel, key, PNG + bytes(MOST))
        assert code(too_large) == (413, "file.too_large")


def test_two_at_once_are_one_file(room: Room, bucket: Bucket, doors: Doors) -> None:
    before, key, body = files_in(bucket), secrets.token_hex(6), PNG + bytes(2 * PART)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda door: upload(door, room.ada, room.channel, key, body), doors.both))
    assert [answer.status_code for answer in answers] == [201, 201], answers
    assert answers[0].json() == answers[1].json()
    mine = f"files/{answers[0].json()['id']}"
    eventually(lambda: files_in(bucket) - before == {mine})


def test_a_repeat_uses_no_quota_and_outlives_its_file(room: Room, doors: Doors) -> None:
    key = secrets.token_hex(6)
    first = upload(doors.file, room.ada, room.channel, key)
    assert first.status_code == 201
    for size in (*[MOST] * (QUOTA // MOST), QUOTA % MOST - len(PNG)):
        assert room.announce(size=size).status_code == 201  # full now
    for door in doors.both:
        assert code(upload(door, room.ada, room.channel, key + "2")) == (409, "quota.exceeded")
        assert upload(door, room.ada, room.channel, key).json() == first.json()
    room.ada.delete(f"/api/files/{first.json()['id']}").raise_for_status()
    assert upload(doors.gateway, room.ada, room.channel, key).json() == first.json()


def test_an_interrupted_upload_can_be_repeated(room: Room, door: str) -> None:
    key, url = secrets.token_hex(6), httpx.URL(door)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: concord\r\nAuthorization: Bearer {room.ada.access_token}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        "Content-Length: 9000000\r\n\r\n"
        f'--x\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n{room.channel}\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    )
    with socket.create_connection((url.host, url.port or 0), timeout=15) as line:
        line.sendall(head.encode() + PNG + bytes(PART))
    done = upload(door, room.ada, room.channel, key)
    assert (done.status_code, done.json()["size"]) == (201, len(PNG))
    assert upload(door, room.ada, room.channel, key).json() == done.json()


@pytest.mark.parametrize("key", ["k" * 256, "a\tb", ""])
def test_invalid_idempotency_keys(room: Room, door: str, key: str) -> None:
    refused = upload(door, room.ada, room.channel, key)
    assert code(refused) == (400, "validation.failed")
    assert refused.json()["errors"][0]["path"] == "Idempotency-Key"


def test_completed_again(room: Room) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(6)}
    made = room.announce().json()
    path = f"/api/files/{made['file']['id']}/complete"
    assert code(room.ada.post(path, headers=headers)) == (409, "file.not_uploaded")
    put(made, PNG).raise_for_status()
    done = room.ada.post(path, headers=headers)
    assert (done.status_code, done.json()["status"]) == (200, "COMPLETE")
    room.ada.delete(f"/api/files/{made['file']['id']}").raise_for_status()
    assert room.ada.post(path, headers=headers).content == done.content
    assert code(room.ada.post(path)) == (404, "file.not_found")

    made = room.announce(contentType="image/gif").json()
    put(made, PNG).raise_for_status()
    path = f"/api/files/{made['file']['id']}/complete"
    refused = [room.ada.post(path, headers=headers) for _ in range(2)]
    assert [code(response) for response in refused] == [(415, "file.type_not_allowed")] * 2
    assert refused[0].json()["detail"] == refused[1].json()["detail"]
    assert code(room.ada.post(path)) == (404, "file.not_found")


async def test_an_upload_and_its_membership_query_are_one_trace(
    room: Room, concord: Concord, door: str
) -> None:
    """For a stranger the file service asks the server service, which may know of a newer membership."""
    trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    refused = upload(door, room.eve, room.channel, "k", traceparent=trace)
    assert code(refused) == (404, "channel.not_found")
    traces = [
        dict(record.headers).get("traceparent") for record in await access_queries_about(concord, room.eve.id)
    ]
    assert traces == [trace.encode()]


async def access_queries_about(concord: Concord, profile_id: str) -> list[ConsumerRecord]:
    """Return the `channel.access` requests about a person."""
    collected: list[ConsumerRecord] = []
    async with AIOKafkaConsumer(
        "channel.access",
        bootstrap_servers=concord.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=None,
        auto_offset_reset="earliest",
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                collected.extend(records)
    return [record for record in collected if profile_id.encode() in (record.value or b"")]
