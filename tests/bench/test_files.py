"""The driver of files does every step of each, and counts what is whole."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import with_files
from bench.job import Job, Operation, Target


class Desk(BaseHTTPRequestHandler):
    """A Concord, and an S3, that take everything but each fourth file."""

    protocol_version = "HTTP/1.1"
    seen: Counter[str]
    bytes_sent = 0

    def do_POST(self) -> None:
        body = self._read()
        if self.path.endswith("/complete"):
            self._note("complete")
            self._answer(503 if self.seen["complete"] % 4 == 0 else 200, {})
            return
        self._note("announce")
        headers = {"Content-Length": str(json.loads(body)["size"])}
        upload = {"method": "PUT", "url": f"http://{self.headers['Host']}/s3?key=1", "headers": headers}
        self._answer(201, {"file": {"id": "f"}, "upload": upload})

    def do_PUT(self) -> None:
        type(self).bytes_sent += len(self._read())
        self._note("put")
        self._answer(200, {})

    def do_GET(self) -> None:
        self._note("thumbnail")
        self._answer(302, {})

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _note(self, step: str) -> None:
        self.seen[step] += 1

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def desk() -> Iterator[tuple[type[Desk], int]]:
    kind = type("OneDesk", (Desk,), {"seen": Counter()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, server.server_address[1]
    server.shutdown()


@pytest.mark.parametrize("operation", sorted(with_files.FILES))
def test_each_file_is_done_whole(operation: Operation, desk: tuple[type[Desk], int]) -> None:
    kind, port = desk
    targets = [Target("c1", "t1")]
    job = Job(
        operation=operation, host="127.0.0.1", port=port, in_flight=2, seconds=0.5, run="r", targets=targets
    )
    result = with_files.run(job)
    good, bad = result.statuses["200"], result.statuses["503"]
    assert kind.seen["announce"] == kind.seen["put"] == kind.seen["complete"] == good + bad
    assert kind.seen["thumbnail"] == (good if operation is Operation.THUMBNAIL else 0)
    assert bad == (good + bad) // 4
    assert 0 < result.measured <= good
    assert result.errors == bad
    assert 0 < result.p50_us <= result.max_us
    assert kind.bytes_sent > 0
