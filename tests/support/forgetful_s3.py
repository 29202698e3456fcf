"""An S3 that stores only a digest, for uploads that would fill a disk."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE_BYTES = 65_536
_CREATED = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_COMPLETED = b'<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>'


class ForgetfulS3(ThreadingHTTPServer):
    """Accepts any bucket and key; all bytes go into one digest in the order of their arrival."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._received = hashlib.sha256()

    def receive(self, piece: bytes) -> None:
        """Add bytes of an object or a part."""
        self._received.update(piece)

    def pop_digest(self) -> str:
        """Return the SHA-256 of all bytes since the last call, in hex."""
        digest, self._received = self._received.hexdigest(), hashlib.sha256()
        return digest


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForgetfulS3

    def do_HEAD(self) -> None:
        self._respond()

    def do_GET(self) -> None:
        self._respond()

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left and (piece := self.rfile.read(min(left, _PIECE_BYTES))):
            self.server.receive(piece)
            left -= len(piece)
        self._respond()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._respond(_CREATED if self.path.endswith("?uploads") else _COMPLETED)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _respond(self, body: bytes = b"") -> None:
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def forgetful_s3() -> Iterator[ForgetfulS3]:
    """Yield a server that runs in its own threads."""
    with ForgetfulS3() as s3:
        thread = threading.Thread(target=s3.serve_forever)
        thread.start()
        try:
            yield s3
        finally:
            s3.shutdown()
            thread.join()
