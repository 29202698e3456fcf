"""Fake S3 that keeps only a digest of the uploads, for uploads larger than the disk should hold."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE_BYTES = 65_536
_BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_FINISHED = b'<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>'


class ForgetfulS3(ThreadingHTTPServer):
    """Has every bucket, and adds all uploaded bytes to one digest, in the order of their arrival."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._taken = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        """Add uploaded bytes to the digest."""
        self._taken.update(piece)

    def taken(self) -> str:
        """Return and reset the digest of the bytes uploaded since the last call."""
        digest, self._taken = self._taken.hexdigest(), hashlib.sha256()
        return digest


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForgetfulS3

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left and (piece := self.rfile.read(min(left, _PIECE_BYTES))):
            self.server.take(piece)
            left -= len(piece)
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(_BEGUN if self.path.endswith("?uploads") else _FINISHED)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, body: bytes = b"") -> None:
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def forgetful_s3() -> Iterator[ForgetfulS3]:
    """Serve in threads until the end of the block."""
    with ForgetfulS3() as s3:
        thread = threading.Thread(target=s3.serve_forever)
        thread.start()
        try:
            yield s3
        finally:
            s3.shutdown()
            thread.join()
