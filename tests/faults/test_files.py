"""Files while S3 is away or hangs, slow uploads, and uploads larger than the memory bound."""

import hashlib
import io
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.config.ports import free_port
from cli.embedded.s3 import EmbeddedS3
from tests.e2e.concord import Process
from tests.e2e.files import Bucket
from tests.e2e.people import Person, sign_up
from tests.faults.conftest import Mesh
from tests.support.forgetful_s3 import forgetful_s3
from tests.support.hanging_s3 import hanging_in_thread
from tests.support.polling import eventually
from tests.support.s3 import s3_settings

GIB = 2**30
MAY_GROW_KIB = 32 * 1024
LARGE = 3 * MAY_GROW_KIB * 1024
"""Enough to see growth; the embedded S3 takes minutes to join the parts of 1 GiB."""
CALL_TIMEOUT_S = 10
AWAY_S = 60


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[EmbeddedS3]:
    """Yield an S3 that the test may stop."""
    server = EmbeddedS3(tmp_path / "s3", free_port(), tmp_path / "s3.log", lambda: ("key-id", "secret-key"))
    server.start()
    server.wait_ready()
    yield server
    server.stop()


class Files:
    """Ada with a channel, at a gateway."""

    def __init__(self, http: httpx.Client) -> None:
        self.ada: Person = sign_up(http)
        self.channel: str = self.ada.make_server()["channels"][0]["id"]

    def announce(self) -> httpx.Response:
        announcement = {"channelId": self.channel, "name": "a.txt", "size": 3, "contentType": "text/plain"}
        return self.ada.post("/api/files", json=announcement)

    def send(self) -> str:
        """Announce a file and upload it to S3."""
        return self.put(self.announce().json())

    def put(self, made: dict[str, Any]) -> str:
        """Upload the bytes to S3."""
        upload = made["upload"]
        httpx.put(upload["url"], headers=upload["headers"], content=b"tea").raise_for_status()
        return str(made["file"]["id"])

    def complete(self, file_id: str) -> httpx.Response:
        return self.ada.post(f"/api/files/{file_id}/complete")

    def address_of(self, file_id: str) -> str:
        redirect = self.ada.get(f"/api/files/{file_id}/content")
        assert redirect.status_code == 302, redirect.text
        return redirect.headers["location"]

    def bytes_of(self, file_id: str) -> bytes:
        return httpx.get(self.address_of(file_id)).content

    def check_without_s3(self, waiting: str) -> None:
        """Check that requests fail with `Retry-After` in time if they need S3, and succeed otherwise."""
        for ask in (lambda: self.complete(waiting), self.upload):
            begun = time.monotonic()
            check_busy(ask())
            assert time.monotonic() - begun < CALL_TIMEOUT_S
        assert self.ada.get(f"/api/files/{waiting}").json()["status"] == "PENDING"
        assert self.ada.send(self.channel, "still here").status_code == 201

    def upload(self) -> httpx.Response:
        return self.upload_at("")

    def upload_at(self, address: str) -> httpx.Response:
        """Upload through the gateway or at this URL."""
        file = {"file": ("a.txt", b"tea", "text/plain")}
        return self.ada.post(f"{address}/api/files/upload", data={"channelId": self.channel}, files=file)


@pytest.mark.timeout(240)
def test_s3_is_away_for_a_minute_and_comes_back(mesh: Mesh, own_s3: EmbeddedS3) -> None:
    """Calls fail with `Retry-After`, nothing stays half done or piles up, and service resumes by itself."""
    mesh.concord.environ.update(s3_settings(own_s3))
    gateway, *_, file = mesh.concord.start("gateway", "auth", "server", "message", "file")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        files = Files(http)
        waiting, deleted = files.send(), files.upload().json()["id"]
        address = files.address_of(deleted)
        before = [peak_kib(process) for process in (gateway, file)]

        back_at = time.monotonic() + AWAY_S
        own_s3.stop()
        eventually(lambda: not file.is_ready())
        assert files.ada.delete(f"/api/files/{deleted}").status_code == 204
        announced = files.announce().json()  # to sign a URL needs no S3
        tries = 0
        while time.monotonic() < back_at:
            files.check_without_s3(waiting)
            assert not file.is_ready()
            tries += 1
            time.sleep(1)
        assert tries > 5

        own_s3.start()
        own_s3.wait_ready()
        eventually(lambda: files.complete(waiting).status_code == 200)
        uploaded = files.upload()
        assert uploaded.status_code == 201
        eventually(lambda: httpx.get(address).status_code == 404)  # deleted meanwhile
        mesh.concord.wait_ready()
        again, late = uploaded.json()["id"], files.put(announced)
        assert files.complete(late).status_code == 200
        assert {files.bytes_of(file_id) for file_id in (waiting, again, late)} == {b"tea"}
        # Nothing of the rejected uploads and of the deleted file remains.
        remaining = [f"files/{file_id}" for file_id in (waiting, again, late)]
        remaining += [f"uploads/{file_id}" for file_id in (waiting, late)]
        assert Bucket(mesh.concord.environ).keys() == sorted(remaining)
        check_growth((gateway, file), before)


def test_s3_hangs_and_comes_back(mesh: Mesh, own_s3: EmbeddedS3) -> None:
    """S3 accepts connections without answering: calls fail in time, and signing does not wait for S3."""
    with hanging_in_thread(own_s3.url) as between:
        environ = {**s3_settings(own_s3), "S3_ENDPOINT_URL": between.url, "S3_PUBLIC_URL": own_s3.url}
        mesh.concord.environ.update(environ, S3_THREADS="2")
        gateway, *_, file = mesh.concord.start("gateway", "auth", "server", "message", "file")
        mesh.concord.wait_ready()
        with httpx.Client(base_url=gateway.url, timeout=30) as http, ThreadPoolExecutor(8) as others:
            files = Files(http)
            shared = files.upload().json()["id"]
            waiting = [f"/api/files/{files.send()}/complete" for _ in range(6)]

            between.hangs.set()
            begun = time.monotonic()
            hung = [others.submit(files.ada.post, path) for path in waiting]
            hung += [others.submit(files.upload) for _ in range(2)]
            eventually(lambda: not file.is_ready())
            assert (
                files.bytes_of(shared) == b"tea"
            )  # to sign a URL needs no S3, and clients reach it by another address
            assert files.announce().status_code == 201
            assert time.monotonic() - begun < CALL_TIMEOUT_S / 2
            for refused in hung:
                check_busy(refused.result())
            assert time.monotonic() - begun < CALL_TIMEOUT_S

            between.hangs.clear()
            eventually(file.is_ready)
            assert {files.ada.post(path).status_code for path in waiting} == {200}
            assert files.upload().status_code == 201


def test_a_large_file_is_streamed_in_bounded_memory(mesh: Mesh, own_s3: EmbeddedS3) -> None:
    """Neither process grows by more than 32 MiB, at either upload endpoint."""
    mesh.concord.environ.update(s3_settings(own_s3))
    limits = {"FILE_MAX_BYTES": str(2 * GIB), "FILE_QUOTA_BYTES": str(4 * GIB)}
    mesh.concord.environ.update(limits)
    gateway, _, _, _, file = mesh.concord.start("gateway", "auth", "server", "message", "file")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=250) as http:
        files = Files(http)
        assert files.upload().status_code == 201
        before = [peak_kib(process) for process in (gateway, file)]
        for address in (gateway.url, port_of_files(mesh)):
            began = time.monotonic()
            done = files.ada.post(f"{address}/api/files/upload", **form_of(files.channel, LARGE))
            assert done.status_code == 201, done.text
            assert done.json()["size"] == LARGE
            assert digest_at(files.address_of(done.json()["id"])) == digest_of(pieces_of(LARGE))
            print(f"{time.monotonic() - began:.0f} s")
            check_growth((gateway, file), before)


@pytest.mark.timeout(280)
def test_a_gibibyte_is_streamed_in_bounded_memory(mesh: Mesh) -> None:
    """Upload 1 GiB to an S3 that stores only a digest."""
    with forgetful_s3() as s3:
        key = {"AWS_ACCESS_KEY_ID": "key-id", "AWS_SECRET_ACCESS_KEY": "secret-key"}
        limits = {"FILE_MAX_BYTES": str(2 * GIB), "FILE_QUOTA_BYTES": str(4 * GIB)}
        mesh.concord.environ.update({"S3_ENDPOINT_URL": s3.url, **key, **limits})
        gateway, _, _, _, file = mesh.concord.start("gateway", "auth", "server", "message", "file")
        mesh.concord.wait_ready()
        expected = digest_of(pieces_of(GIB))
        with httpx.Client(base_url=gateway.url, timeout=250) as http:
            files = Files(http)
            assert files.upload().status_code == 201
            s3.pop_digest()
            before = [peak_kib(process) for process in (gateway, file)]
            for address in (gateway.url, port_of_files(mesh)):
                done = files.ada.post(f"{address}/api/files/upload", **form_of(files.channel, GIB))
                assert (done.status_code, done.json()["size"]) == (201, GIB), done.text
                assert s3.pop_digest() == expected
            check_growth((gateway, file), before)


def test_slow_uploads_hold_no_slot(mesh: Mesh, own_s3: EmbeddedS3) -> None:
    """Slow uploads in every slot of either endpoint are closed, and other requests are served."""
    mesh.concord.environ.update(s3_settings(own_s3))
    few = dict.fromkeys(("UPLOADS_MAX", "FILE_UPLOADS_MAX"), "2")
    one = dict.fromkeys(("UPLOADS_PERSON_MAX", "FILE_UPLOADS_PERSON_MAX"), "1")
    mesh.concord.environ.update({**few, **one, "UPLOAD_RATE_WINDOW_MS": "4000"})
    gateway, *_ = mesh.concord.start("gateway", "auth", "server", "message", "file")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        files, people = Files(http), [sign_up(http) for _ in range(2)]
        for address in (gateway.url, port_of_files(mesh)):
            with ThreadPoolExecutor(len(people)) as pool:
                dripping = [pool.submit(drip, address, person.access_token) for person in people]
                time.sleep(1)
                busy = files.upload_at(address)
                assert (busy.status_code, busy.json()["code"]) == (503, "mesh.busy"), busy.text
                assert int(busy.headers["retry-after"]) > 0
                for upload in dripping:
                    status, code = upload.result(timeout=10)
                    assert (status, code) == (400, "body.malformed")
            assert files.upload_at(address).status_code == 201


def drip(address: str, token: str) -> tuple[int, str]:
    """Send a form byte by byte until a response comes."""
    place = httpx.URL(address)
    with socket.create_connection((place.host, place.port or 80), timeout=0.2) as line:
        head = f"POST /api/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n--x\r\n"
        line.sendall(head.encode())
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            line.sendall(b"A")
            with suppress(TimeoutError):
                answer = line.recv(65_536)
                code = "body.malformed" if b'"body.malformed"' in answer else answer.decode()
                return int(answer.split()[1]), code
    return 0, "nothing was said"


def port_of_files(mesh: Mesh) -> str:
    """Return the URL of the file service's own port."""
    return f"http://127.0.0.1:{mesh.concord.environ['FILE_PORT']}"


def form_of(channel_id: str, size: int) -> dict[str, Any]:
    head = io.BytesIO()
    head.write(b'--x\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n' + channel_id.encode())
    head.write(b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n')
    head.write(b"Content-Type: text/plain\r\n\r\n")

    def pieces() -> Iterator[bytes]:
        yield head.getvalue()
        yield from pieces_of(size)
        yield b"\r\n--x--\r\n"

    return {"content": pieces(), "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


def pieces_of(size: int) -> Iterator[bytes]:
    """Yield text whose blocks of 64 KiB all differ."""
    for number in range(size // 65_536):
        yield b"%015d\n" % number * 4096


def digest_of(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def digest_at(url: str) -> str:
    with httpx.stream("GET", url) as answer:
        return digest_of(answer.iter_raw())


def check_busy(refused: httpx.Response) -> None:
    assert (refused.status_code, refused.json()["code"]) == (503, "mesh.busy"), refused.text
    assert int(refused.headers["retry-after"]) > 0


def peak_kib(process: Process) -> int:
    """Return the peak resident memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def check_growth(processes: Sequence[Process], before: Sequence[int]) -> None:
    grown = [peak_kib(process) - kib for process, kib in zip(processes, before, strict=True)]
    print(f"{[process.service for process in processes]} grew by {grown} KiB")  # with -s, or when it fails
    assert max(grown) <= MAY_GROW_KIB
