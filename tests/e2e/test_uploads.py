"""Malformed uploads, byte by byte, at the gateway and at the file service's own port."""

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.concord import Concord
from tests.e2e.files import Room, code
from tests.support.polling import eventually

PATH = "/api/files/upload"
TIMEOUT_S = 15.0


@pytest.fixture(params=["gateway", "file"])
def door(request: pytest.FixtureRequest, concord: Concord) -> tuple[str, int]:
    """Return host and port of one of the two upload endpoints."""
    port = concord.processes[0].port if request.param == "gateway" else int(concord.environ["FILE_PORT"])
    return "127.0.0.1", port


class Connection:
    """A connection on which a test can send any bytes."""

    def __init__(self, door: tuple[str, int], token: str) -> None:
        self._socket = socket.create_connection(door, timeout=TIMEOUT_S)
        self._token = token

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def head(self, *lines: str) -> None:
        """Send the head of an upload with these lines, a token and the content type."""
        head = [
            f"POST {PATH} HTTP/1.1",
            "Host: concord",
            f"Authorization: Bearer {self._token}",
            "Content-Type: multipart/form-data; boundary=x",
            *lines,
        ]
        self.send("".join(f"{line}\r\n" for line in (*head, "")).encode())

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def half_close(self) -> None:
        """Close the sending side."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> tuple[int, dict[str, Any]]:
        """Return status and body of the next response; status 0 if the connection ends without one."""
        with self._socket.makefile("rb") as file:
            first = file.readline()
            if not first:
                return 0, {}
            length = 0
            while line := file.readline().strip().lower():
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            return int(first.split()[1]), json.loads(file.read(length))


def channel_part(channel: str) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n%b\r\n' % channel.encode()


def file_part(body: bytes = b"tea", name: bytes = b"a.txt", kind: bytes = b"text/plain") -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\nContent-Type: %b\r\n\r\n'
    return head % (name, kind) + body + b"\r\n"


END = b"--x--\r\n"


def code_of(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    return answer[0], answer[1].get("code", "")


def test_a_form_without_a_length(room: Room, door: tuple[str, int]) -> None:
    with Connection(door, room.ada.access_token) as line:
        line.head("Transfer-Encoding: chunked")
        for piece in (channel_part(room.channel), file_part(b"tea for two")[:-5], b"two\r\n", END):
            line.chunk(piece)
        line.chunk(b"")
        status, file = line.answer()
        assert (status, file["size"], file["status"]) == (201, len("tea for two"), "COMPLETE")
    downloaded = httpx.get(room.ben.get(f"/api/files/{file['id']}/content").headers["location"])
    assert downloaded.content == b"tea for two"


def test_a_file_without_a_length_that_never_ends(room: Room, door: tuple[str, int]) -> None:
    """The code is the same as for an upload of known length."""
    with Connection(door, room.ada.access_token) as line:
        line.head("Transfer-Encoding: chunked")
        line.chunk(channel_part(room.channel) + file_part()[:-5])
        for _ in range(31):  # checked part by part
            line.chunk(b"tea\n" * 262_144)
        assert code_of(line.answer()) == (413, "file.too_large")
    with Connection(door, room.ada.access_token) as line:
        line.head(f"Content-Length: {27 * 2**20}")
        assert code_of(line.answer()) == (413, "file.too_large")


def test_a_body_shorter_than_its_length(room: Room, door: tuple[str, int]) -> None:
    """A closed or half-closed connection stores nothing."""
    form = channel_part(room.channel) + file_part(b"x" * 10_000) + END
    for sent in (form[:50], form[: len(form) // 2], form[:-20]):
        with Connection(door, room.ada.access_token) as line:
            line.head(f"Content-Length: {len(form)}")
            line.send(sent)
            line.half_close()
            assert code_of(line.answer()) in ((0, ""), (400, "body.malformed"))
    whole = Connection(door, room.ada.access_token)
    with whole as line:
        line.head(f"Content-Length: {len(form)}")
        line.send(form)
        assert line.answer()[0] == 201


def test_a_length_that_ends_before_the_form_does(room: Room, door: tuple[str, int]) -> None:
    form = channel_part(room.channel) + file_part() + END
    with Connection(door, room.ada.access_token) as line:
        line.head(f"Content-Length: {len(form) - 12}")
        line.send(form[:-12])
        assert code_of(line.answer()) == (400, "body.malformed")
    with Connection(door, room.ada.access_token) as line:
        line.head(f"Content-Length: {len(form) - 12}")
        line.send(form)  # the excess is not a request
        assert code_of(line.answer()) in ((400, "body.malformed"), (400, "request.malformed"))


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: ten",),
        ("Content-Length: -1",),
        ("Content-Length: 99999999999999999999999999",),
        ("Content-Length: 10", "Content-Length: 20"),
        ("Content-Length: 10", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: gzip",),
    ],
)
def test_lengths_that_make_no_sense(room: Room, door: tuple[str, int], lines: tuple[str, ...]) -> None:
    with Connection(door, room.ada.access_token) as line:
        line.head(*lines)
        line.send(b"0123456789")
        status, _ = line.answer()
    assert 400 <= status < 500


FORMS: list[tuple[Callable[[str], bytes], int, str]] = [
    (lambda channel: END, 400, "validation.failed"),
    (lambda channel: channel_part(channel) + END, 400, "validation.failed"),
    (lambda channel: file_part() + END, 400, "validation.failed"),
    (lambda channel: channel_part(channel) * 2 + file_part() + END, 400, "validation.failed"),
    (lambda channel: channel_part(channel) + file_part() * 2 + END, 400, "validation.failed"),
    (lambda channel: channel_part(channel) + file_part(name=b"..") + END, 400, "validation.failed"),
    (lambda channel: channel_part(channel) + file_part(name=b"") + END, 400, "validation.failed"),
    (lambda channel: channel_part(channel) + file_part(kind=b"no type") + END, 400, "validation.failed"),
    (lambda channel: channel_part(channel) + file_part(kind=b"x" * 100_000) + END, 400, "body.malformed"),
    (lambda channel: channel_part(channel) + file_part(name=b"x" * 100_000) + END, 400, "body.malformed"),
    (lambda channel: b"--x\r\n" + b"A: b\r\n" * 5_000 + b"\r\n" + END, 400, "body.malformed"),
    (lambda channel: b"--x\r\n" + b"A" * 100_000 + b": b\r\n\r\n" + END, 400, "body.malformed"),
    (lambda channel: b"", 400, "body.malformed"),
    (lambda channel: b"\0" * 1000, 400, "body.malformed"),
]


def test_malformed_forms_are_rejected(room: Room, door: tuple[str, int]) -> None:
    offenders = []
    for number, (form, status, expected) in enumerate(FORMS):
        body = form(room.channel)
        with Connection(door, room.ada.access_token) as line:
            line.head(f"Content-Length: {len(body)}")
            line.send(body)
            answer = code_of(line.answer())
        if answer != (status, expected):
            offenders.append(f"form {number} ({body[:60]!r}): {answer} instead of {(status, expected)}")
    assert offenders == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"../../etc/passwd", "passwd"),
        (b"C:\\fakepath\\tea.txt", "tea.txt"),
        (b"/absolute", "absolute"),
        (b"x" * 300, "x" * 255),
        ("\u202etxt.exe".encode(), "txt.exe"),
        (b"a\x01b\x7fc.txt", None),
        (b"tea\0.txt", None),
        (b"\xff\xfe.txt", None),
    ],
)
def test_malicious_file_names(room: Room, door: tuple[str, int], name: bytes, kept: str | None) -> None:
    """The last part of a path is stored, without invisible characters."""
    body = channel_part(room.channel) + file_part(name=name) + END
    with Connection(door, room.ada.access_token) as line:
        line.head(f"Content-Length: {len(body)}")
        line.send(body)
        status, answer = line.answer()
    if kept is not None:
        assert (status, answer["name"]) == (201, kept)
    elif status == 201:
        assert answer["name"].isprintable()
        assert "/" not in answer["name"]
    else:
        assert code_of((status, answer)) in ((400, "validation.failed"), (400, "body.malformed"))


def test_a_revoked_session_cannot_upload(room: Room, door: tuple[str, int]) -> None:
    """Each of the two endpoints learns of it within seconds."""
    url = f"http://{door[0]}:{door[1]}{PATH}"
    form: dict[str, Any] = {
        "data": {"channelId": room.channel},
        "files": {"file": ("a.txt", b"tea", "text/plain")},
    }
    headers = {"Authorization": f"Bearer {room.ben.access_token}"}
    done = httpx.post(url, headers=headers, **form)
    assert done.status_code == 201
    assert done.headers["ratelimit-policy"].startswith('"caller";')
    assert done.headers["x-content-type-options"] == "nosniff"
    room.ben.post("/api/auth/signout").raise_for_status()

    def ended() -> bool:
        refused = httpx.post(url, headers=headers, **form)
        return refused.status_code != 201 and code(refused) == (401, "token.invalid")

    eventually(ended, within_s=5)
