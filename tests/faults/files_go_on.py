"""Files in every state during a fault, and the checks of each of them afterwards."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx

from shared.contracts.file import FILES_AT_ONCE_MAX
from tests.e2e.files import picture, put
from tests.e2e.people import Person
from tests.support.polling import eventually

WITHIN_S = 10
SHARED, SENT, STREAMED = (picture((64, 48 + number)) for number in range(3))


class FilesGoOn:
    """Ada's files in one channel. Call `before` and `after` the fault, and `later`, after the sweeps."""

    def __init__(self, ada: Person, channel: str) -> None:
        self._ada = ada
        self._channel = channel
        self._bodies: dict[str, bytes] = {}
        self._happened = threading.Event()
        self._half_sent = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._waiting: list[dict[str, Any]] = []

    def before(self) -> None:
        """Create a complete, an announced, a sent and a half-streamed file."""
        self.share()
        self._announced, self._sent = self.announce(), self.announce()
        self._waiting.append(self.announce())
        self.send(self._sent)
        self._streamed: Future[httpx.Response] = self._pool.submit(self._stream)
        assert self._half_sent.wait(WITHIN_S)

    def after(self) -> None:
        """Finish all that was begun before the fault, and create files in every state again."""
        self._happened.set()
        self._took(self._streamed.result(WITHIN_S), STREAMED)
        self.complete(self._sent)
        self.send(self._announced)
        self.complete(self._announced)
        self.share()
        self._waiting.append(self.announce())
        self.check()

    def later(self) -> None:
        """Complete the pending files: sweeps have deleted no recent file."""
        for made in self._waiting:
            self.send(made)
            self.complete(made)
        self.check()
        self._pool.shutdown()

    def check(self) -> None:
        """Attach the last files to a message; check bytes and thumbnails of all files."""
        ids = list(self._bodies)[-FILES_AT_ONCE_MAX:]
        sent = self._ada.send(self._channel, f"{len(self._bodies)} files", attachments=ids)
        assert sent.status_code == 201, sent.text
        assert [attached["id"] for attached in sent.json()["attachments"]] == ids
        for file_id, body in self._bodies.items():
            redirect = self._ada.get(f"/api/files/{file_id}/content")
            assert redirect.status_code == 302, redirect.text
            assert httpx.get(redirect.headers["location"]).content == body
            path = f"/api/files/{file_id}/thumbnail"
            eventually(lambda path=path: self._ada.get(path).status_code == 302, WITHIN_S)

    def share(self) -> None:
        """Upload a file through the gateway."""
        form = {"data": {"channelId": self._channel}, "files": {"file": ("tea.png", SHARED, "image/png")}}
        self._took(self._ada.post("/api/files/upload", **form), SHARED)

    def announce(self) -> dict[str, Any]:
        """Announce a file whose bytes follow later."""
        file = {"channelId": self._channel, "name": "tea.png", "size": len(SENT), "contentType": "image/png"}
        made = self._ada.post("/api/files", json=file)
        assert made.status_code == 201, made.text
        announced: dict[str, Any] = made.json()
        return announced

    def send(self, made: dict[str, Any]) -> None:
        """Upload the bytes to S3."""
        answer = put(made, SENT)
        assert answer.status_code == 200, answer.text

    def complete(self, made: dict[str, Any]) -> None:
        """Complete the file, so that others see it."""
        done = self._ada.post(f"/api/files/{made['file']['id']}/complete")
        assert done.status_code == 200, done.text
        self._bodies[made["file"]["id"]] = SENT

    def _took(self, done: httpx.Response, body: bytes) -> None:
        assert done.status_code == 201, done.text
        self._bodies[done.json()["id"]] = body

    def _stream(self) -> httpx.Response:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        return self._ada.post("/api/files/upload", headers=headers, content=self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        yield (
            b'--x\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n%b\r\n' % self._channel.encode()
        )
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="tea.png"\r\n'
        yield b"Content-Type: image/png\r\n\r\n" + STREAMED[:50]
        self._half_sent.set()
        self._happened.wait(WITHIN_S)
        yield STREAMED[50:] + b"\r\n--x--\r\n"
