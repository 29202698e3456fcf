"""Files as clients send and read them, and the bucket as an operator sees it."""

import io
from collections.abc import Callable
from typing import Any

import boto3
import httpx
from PIL import Image

from tests.e2e.people import Person

MakePerson = Callable[..., Person]


def picture(size: tuple[int, int] = (64, 48), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    return out.getvalue()


PNG = picture()


class Room:
    """A channel of Ada's server with Ben as a member; Eve is not a member."""

    def __init__(self, person: MakePerson) -> None:
        self.ada, self.ben, self.eve = person("Ada"), person("Ben"), person("Eve")
        self.server = self.ada.make_server()
        self.ben.join(self.server)
        self.channel: str = self.server["channels"][0]["id"]

    def announce(self, body: bytes = PNG, **changes: Any) -> httpx.Response:
        file = {"channelId": self.channel, "name": "tea.png", "size": len(body), "contentType": "image/png"}
        return self.ada.post("/api/files", json={**file, **changes})

    def share(self, body: bytes = PNG, **changes: Any) -> dict[str, Any]:
        """Announce a file, upload it to S3 and complete it."""
        announced = self.announce(body, **changes).raise_for_status().json()
        assert put(announced, body).status_code == 200
        completed = self.ada.post(f"/api/files/{announced['file']['id']}/complete")
        assert completed.status_code == 200, completed.text
        file: dict[str, Any] = completed.json()
        return file

    def upload(self, body: bytes = PNG, kind: str = "image/png", name: str = "tea.png") -> httpx.Response:
        """Upload a form through the gateway."""
        return self.ada.post(
            "/api/files/upload", data={"channelId": self.channel}, files={"file": (name, body, kind)}
        )


def put(announced: dict[str, Any], body: bytes, **headers: str) -> httpx.Response:
    upload = announced["upload"]
    return httpx.request(
        upload["method"], upload["url"], headers={**upload["headers"], **headers}, content=body
    )


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


class Bucket:
    """The bucket as an operator sees it."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._name = environ["S3_BUCKET"]
        self._client = boto3.client(
            "s3",
            endpoint_url=environ["S3_ENDPOINT_URL"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )

    def keys(self, file_id: str = "") -> list[str]:
        """Return the keys of a file, or all keys; keys of unfinished multipart uploads are included."""
        objects = self._client.list_objects_v2(Bucket=self._name).get("Contents", ())
        uploads = self._client.list_multipart_uploads(Bucket=self._name).get("Uploads", ())
        return sorted(entry["Key"] for entry in (*objects, *uploads) if file_id in entry["Key"])
