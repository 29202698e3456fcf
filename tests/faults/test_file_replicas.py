"""Two replicas of the file service share the work; one continues when the other is killed."""

import io
import json
import time
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.e2e.people import Person, sign_up
from tests.faults.conftest import Mesh
from tests.support.s3 import TestedS3, s3_settings

FILES = 12
WITHIN_S = 40


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), "teal").save(out, "PNG")
    return out.getvalue()


class Album:
    """Ada's pictures, uploaded to S3 and through the gateway in turn."""

    def __init__(self, http: httpx.Client) -> None:
        self.ada: Person = sign_up(http)
        self.channel: str = self.ada.make_server()["channels"][0]["id"]

    def add(self, number: int) -> str:
        body = png()
        if number % 2:
            sent = until_answered(lambda: self.upload(body), 201)
            return str(sent.json()["id"])
        announcement = {
            "channelId": self.channel,
            "name": "a.png",
            "size": len(body),
            "contentType": "image/png",
        }
        made = until_answered(lambda: self.ada.post("/api/files", json=announcement), 201).json()
        upload = made["upload"]
        httpx.put(upload["url"], headers=upload["headers"], content=body).raise_for_status()
        file_id = str(made["file"]["id"])
        until_answered(lambda: self.ada.post(f"/api/files/{file_id}/complete"), 200)
        return file_id

    def upload(self, body: bytes) -> httpx.Response:
        form: dict[str, Any] = {"file": ("a.png", body, "image/png")}
        return self.ada.post("/api/files/upload", data={"channelId": self.channel}, files=form)

    def thumbnail(self, file_id: str) -> str:
        """Return the URL of a thumbnail of the right size and type."""
        redirect = until_answered(lambda: self.ada.get(f"/api/files/{file_id}/thumbnail"), 302)
        address = redirect.headers["location"]
        with Image.open(io.BytesIO(httpx.get(address).content)) as picture:
            assert (picture.size, picture.format) == ((320, 240), "WEBP")
        return str(address)


def until_answered(ask: Any, status: int) -> httpx.Response:
    """Retry: while a killed replica is still in the group, some calls fail with a retryable error."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        answer: httpx.Response = ask()
        if answer.status_code == status:
            return answer
        assert answer.status_code in (503, 504), answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.3)


def test_one_of_two_file_services_is_killed(mesh: Mesh, s3: TestedS3, tmp_path: Path) -> None:
    mesh.concord.environ.update(s3_settings(s3))
    gateway, _, _, _, one, two = mesh.concord.start("gateway", "auth", "server", "message", "file", "file")
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=30) as http:
        album = Album(http)
        files = [album.add(number) for number in range(FILES)]
        addresses = [album.thumbnail(file_id) for file_id in files]

        two.kill()  # the gateway's uploads go to the first one's port
        files += [album.add(number) for number in range(2)]
        addresses += [album.thumbnail(file_id) for file_id in files[FILES:]]

        mesh.concord.start("file")
        mesh.concord.wait_ready()
        for file_id in files:
            until_answered(lambda file_id=file_id: album.ada.delete(f"/api/files/{file_id}"), 204)
        deadline = time.monotonic() + WITHIN_S
        for address in addresses:  # deleted by the sweep of either replica
            while httpx.get(address).status_code != 404:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    assert one.alive()
    for log in sorted(mesh.concord.folder.glob("file-*.log")):
        lines = map(json.loads, log.read_text().splitlines())
        assert not [line for line in lines if line["level"] == "ERROR" and line["logger"].startswith("apps.")]
