"""Files while S3 is away, uploads that break off, and one that is larger than what may be in memory."""

import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.embedded.ports import free_port
from cli.embedded.s3 import EmbeddedS3
from tests.conftest import s3_settings
from tests.e2e.concord import Process
from tests.e2e.people import Person, sign_up
from tests.faults.conftest import Mesh

GIB = 2**30
LARGE = GIB // 4
"""More than enough to see it; the embedded S3 takes minutes to join the parts of a whole GiB."""
MAY_GROW_KIB = 32 * 1024


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[EmbeddedS3]:
    """An S3 that may be stopped."""
    server = EmbeddedS3(tmp_path / "s3", free_port(), tmp_path / "s3.log", lambda: ("key-id", "secret-key"))
    server.start()
    server.wait_ready()
    yield server
    server.stop()


class Files:
    """Ada, with a channel, at a gateway."""

    def __init__(self, http: httpx.Client) -> None:
        self.ada: Person = sign_up(http)
        self.channel: str = self.ada.make_server()["channels"][0]["id"]

    def announce(self) -> httpx.Response:
        asked = {"channelId": self.channel, "name": "a.txt", "size": 3, "contentType": "text/plain"}
        return self.ada.post("/api/files", json=asked)

    def upload(self) -> httpx.Response:
        return self.upload_at("")

    def upload_at(self, address: str) -> httpx.Response:
        """By the gateway, or at this address."""
        file = {"file": ("a.txt", b"tea", "text/plain")}
        return self.ada.post(f"{address}/api/files/upload", data={"channelId": self.channel}, files=file)


def test_s3_goes_away_and_comes_back(mesh: Mesh, own_s3: EmbeddedS3) -> None:
    """Answers that say when to try again, nothing half done, and all of it goes on by itself."""
    mesh.concord.environ.update(s3_settings(own_s3))
    gateway, *_ = mesh.concord.start("gateway", "auth", "server", "message", "file")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        files = Files(http)
        made = files.announce().json()
        httpx.put(made["upload"]["url"], headers=made["upload"]["headers"], content=b"tea").raise_for_status()
        path = f"/api/files/{made['file']['id']}"
        deleted = files.upload().json()["id"]
        address = files.ada.get(f"/api/files/{deleted}/content").headers["location"]

        own_s3.stop()
        for refused in (files.ada.post(f"{path}/complete"), files.upload()):
            assert (refused.status_code, refused.json()["code"]) == (503, "mesh.busy"), refused.text
            assert int(refused.headers["retry-after"]) > 0
        assert files.ada.get(path).json()["status"] == "PENDING"  # what needs no S3 works
        assert files.ada.delete(f"/api/files/{deleted}").status_code == 204
        assert files.ada.send(files.channel, "still here").status_code == 201

        own_s3.start()
        own_s3.wait_ready()
        deadline = time.monotonic() + 20
        while files.ada.post(f"{path}/complete").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert files.upload().status_code == 201
        while httpx.get(address).status_code != 404:  # what was deleted meanwhile
            assert time.monotonic() < deadline
            time.sleep(0.2)
        mesh.concord.wait_ready()


def test_a_large_file_passes_through_without_being_held(mesh: Mesh, own_s3: EmbeddedS3) -> None:
    """Neither the gateway nor the file service grows by more than 32 MiB, whichever of them is asked."""
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
            grown = [peak_kib(process) - kib for process, kib in zip((gateway, file), before, strict=True)]
            print(f"{time.monotonic() - began:.0f} s; gateway and file service grew by {grown} KiB")
            assert max(grown) <= MAY_GROW_KIB


def test_who_drips_holds_no_place(mesh: Mesh, own_s3: EmbeddedS3) -> None:
    """One byte now and then, at either door, from as many as there are places: all are cut, others go on."""
    mesh.concord.environ.update(s3_settings(own_s3))
    few = {"UPLOADS_MAX": "2", "FILE_UPLOADS_MAX": "2", "UPLOAD_RATE_WINDOW_MS": "2000"}
    mesh.concord.environ.update(few)
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
                for each in dripping:
                    status, code = each.result(timeout=10)
                    assert (status, code) == (400, "body.malformed")
            assert files.upload_at(address).status_code == 201


def drip(address: str, token: str) -> tuple[int, str]:
    """Send a form byte by byte until there is an answer."""
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
    """The address of the file service's own port."""
    return f"http://127.0.0.1:{mesh.concord.environ['FILE_PORT']}"


def form_of(channel_id: str, size: int) -> dict[str, Any]:
    head = io.BytesIO()
    head.write(b'--x\r\nContent-Disposition: form-data; name="channelId"\r\n\r\n' + channel_id.encode())
    head.write(b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n')
    head.write(b"Content-Type: text/plain\r\n\r\n")

    def pieces() -> Iterator[bytes]:
        yield head.getvalue()
        piece = b"tea for two\n" * 5461 + b"cups"  # 64 KiB
        for _ in range(size // len(piece)):
            yield piece
        yield b"\r\n--x--\r\n"

    return {"content": pieces(), "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


def peak_kib(process: Process) -> int:
    """The most that was ever resident."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
