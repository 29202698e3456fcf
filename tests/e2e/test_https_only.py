"""`HTTPS_ONLY` at a gateway and a file service behind a proxy that terminates TLS."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.config.ports import free_port
from tests.e2e.concord import Concord, Process
from tests.e2e.files import PNG, Room

PATH = "/api/files/upload"
CHAT, FILES = "https://chat.example.org", "https://files.example.org"
BY_PROXY = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
HSTS = "strict-transport-security"


class Secure:
    """A gateway and a file service with `HTTPS_ONLY`."""

    def __init__(self, concord: Concord, folder: Path) -> None:
        environ = {
            **concord.environ,
            "HTTPS_ONLY": "true",
            "TRUSTED_PROXIES": "127.0.0.1",
            "PUBLIC_URL": CHAT,
            "FILE_PUBLIC_URL": FILES,
            "FILE_PORT": str(free_port()),
        }
        self.gateway = Process("gateway", environ, folder / "gateway.log")
        self.file = Process("file", environ, folder / "file.log")
        self.file_url = f"http://127.0.0.1:{environ['FILE_PORT']}"


@pytest.fixture
def secure(concord: Concord, tmp_path: Path) -> Iterator[Secure]:
    made = Secure(concord, tmp_path)
    try:
        made.gateway.wait_ready()
        made.file.wait_ready()
        yield made
    finally:
        made.gateway.stop()
        made.file.stop()


def upload(url: str, room: Room, headers: dict[str, str]) -> httpx.Response:
    token = {"Authorization": f"Bearer {room.ada.access_token}"}
    form = {"data": {"channelId": room.channel}, "files": {"file": ("tea.png", PNG, "image/png")}}
    return httpx.post(f"{url}{PATH}", headers={**token, **headers}, timeout=15, **form)


def test_an_upload_by_https_is_forwarded_over_plain_http(secure: Secure, room: Room) -> None:
    for url in (secure.gateway.url, secure.file_url):
        done = upload(url, room, BY_PROXY)
        assert (done.status_code, done.headers[HSTS]) == (201, "max-age=31536000"), done.text
    for url, address in ((secure.gateway.url, CHAT), (secure.file_url, FILES)):
        sent_away = upload(url, room, {})
        assert (sent_away.status_code, sent_away.headers["location"]) == (308, f"{address}{PATH}")
        assert HSTS not in sent_away.headers
    for process in (secure.gateway, secure.file):
        assert httpx.get(f"{process.url}/health/live").status_code == 200
        assert httpx.get(f"{process.url}/metrics").status_code == 200
