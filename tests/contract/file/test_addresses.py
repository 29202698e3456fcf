"""Presigned addresses on a real S3: what they let through, for how long, and for which host."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from botocore.awsrequest import AWSRequest

from apps.file.outbound import copy_guard
from apps.file.outbound.storage import S3Storage
from shared.contracts.errors import ServiceError
from shared.contracts.file import Upload
from tests.contract.file.conftest import objects_of
from tests.support.s3 import TestedS3, new_bucket, s3_at

BODY = b"tea for two"
KEY = "uploads/1"
LIFE_S = 60


def digest_of(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def localhost(s3: TestedS3) -> str:
    """The same S3 under another name."""
    return s3.url.replace("127.0.0.1", "localhost")


@pytest.fixture
async def storage(s3: TestedS3) -> AsyncIterator[S3Storage]:
    """A new bucket, whose public URL has the host localhost."""
    place = msgspec.structs.replace(s3_at(s3, new_bucket()), public_url=localhost(s3))
    storage = S3Storage(place)
    await storage.open()
    yield storage
    await storage.close()


async def address(storage: S3Storage, *, sha256: str | None = None, life_s: int = LIFE_S) -> Upload:
    now = datetime.now(UTC)
    until = now + timedelta(seconds=life_s)
    return await storage.presign_upload(KEY, len(BODY), "text/plain", sha256, until, now)


def put(upload: Upload, body: bytes = BODY, url: str = "", **changes: str) -> int:
    headers = {**upload.headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return httpx.request(upload.method, url or upload.url, headers=headers, content=body).status_code


def get(url: str) -> httpx.Response:
    return httpx.get(url)


async def test_addresses_are_signed_for_the_host_that_clients_are_told(
    storage: S3Storage, s3: TestedS3
) -> None:
    upload = await address(storage)
    assert upload.url.startswith(localhost(s3) + "/")
    inside = upload.url.replace(localhost(s3), s3.url)
    assert put(upload, url=inside) == 403  # it is the host that is signed
    assert put(upload) == 200
    download = await storage.presign_download(KEY, LIFE_S, {"Content-Type": "text/plain"})
    assert download.startswith(localhost(s3) + "/")
    assert get(download).content == BODY
    assert get(download.replace(localhost(s3), s3.url)).status_code == 403


async def test_what_an_address_does_not_let_through(storage: S3Storage) -> None:
    upload = await address(storage)
    assert put(upload, BODY + b"!", Content_Length=str(len(BODY) + 1)) == 403
    assert put(upload, BODY[1:], Content_Length=str(len(BODY) - 1)) == 403
    assert put(upload, Content_Type="text/html") == 403
    assert put(msgspec.structs.replace(upload, headers={})) == 403  # no type
    assert put(upload, url=upload.url.replace(KEY, "uploads/2")) == 403
    assert get(upload.url).status_code == 403
    assert await storage.head(KEY) is None
    assert put(upload) == 200
    assert put(upload) == 200  # again, until it expires: what was checked is copied elsewhere


async def test_an_address_copies_nothing(storage: S3Storage, s3: TestedS3) -> None:
    """The embedded S3 takes headers that nobody signed: without the guard it would copy in our name."""
    await storage.put("files/of others", b"tea for one", "text/plain")
    evil: dict[str, Any] = {
        "x_amz_copy_source": f"/{storage._bucket}/files/of%20others",
        "x_amz_metadata_directive": "REPLACE",
    }
    assert storage._guard.headers or not s3.is_embedded
    upload = await address(storage)
    assert put(upload, **evil) == (412 if storage._guard.headers else 403)
    assert put(upload, **evil, x_amz_copy_source_if_match='"tea"') == 403
    bare = msgspec.structs.replace(upload, headers={"Content-Type": "text/plain"})
    assert put(bare, **evil) == 403
    assert await storage.head(KEY) is None
    assert put(upload) == 200


async def test_an_s3_that_nothing_helps_is_not_opened(
    storage: S3Storage, s3: TestedS3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if not storage._guard.headers:
        pytest.skip("this S3 takes no header that nobody signed")
    monkeypatch.setattr(copy_guard, "_NEVER", {})
    storage = S3Storage(s3_at(s3, new_bucket()))
    for _ in range(2):
        with pytest.raises(ServiceError, match=r"mesh\.busy"):
            await storage.open()
    assert "can copy, and so read, all objects in it" in caplog.text
    await storage.close()


async def test_an_s3_that_holds_to_what_is_signed_gets_nothing_more(
    storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does trying it out leave anything there."""
    guard = copy_guard.CopyGuard()
    monkeypatch.setattr(copy_guard, "AWSRequest", lambda *args, headers, **rest: AWSRequest(*args, **rest))
    guard.test(storage._client, storage._bucket)
    assert guard.headers == {}
    assert objects_of(storage) == []


async def test_an_s3_that_says_yes_and_does_nothing_is_safe(
    storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard, client = copy_guard.CopyGuard(), storage._client
    done = SimpleNamespace(status_code=200)
    monkeypatch.setattr(copy_guard, "AWSRequest", lambda *args, **rest: SimpleNamespace(prepare=list))
    monkeypatch.setattr(client._endpoint, "http_session", Unless(client._endpoint.http_session, done))
    guard.test(client, storage._bucket)
    assert guard.headers == {}


class Unless:
    """Sends requests; what is none is answered with `done`."""

    def __init__(self, session: Any, done: object) -> None:
        self._session = session
        self._done = done

    def send(self, request: Any) -> Any:
        return self._session.send(request) if request else self._done


async def test_an_address_for_one_digest(storage: S3Storage) -> None:
    upload = await address(storage, sha256=digest_of(BODY))
    other = b"tea for one"
    assert put(upload, other, x_amz_checksum_sha256=digest_of(other)) == 403
    assert put(upload, other) == 400
    assert await storage.head(KEY) is None
    assert put(upload) == 200


@pytest.mark.parametrize(("signed_ago_s", "status"), [(LIFE_S // 2, 200), (LIFE_S + 1, 403)])
async def test_an_address_expires(
    storage: S3Storage, monkeypatch: pytest.MonkeyPatch, signed_ago_s: int, status: int
) -> None:
    """It is signed as of then, so that nobody has to wait for it."""
    await storage.put(KEY, BODY, "text/plain")
    then = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=signed_ago_s)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: then)
    upload = await address(storage)
    download = await storage.presign_download(KEY, LIFE_S, {})
    assert (put(upload), get(download).status_code) == (status, status)
