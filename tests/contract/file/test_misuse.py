"""Attempts to read, change or store more with an upload URL than it allows."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
import pytest

from apps.file.outbound.storage import S3Storage
from shared.contracts.file import Upload
from tests.contract.file.conftest import objects_of
from tests.support.s3 import TestedS3, new_bucket, s3_at

BODY = b"tea for two"
SECRET = b"tea for one"
"""As long as BODY, so that the signed length does not prevent the attack."""
KEY, OTHERS = "uploads/1", "files/of-others"
CONDITION = "x-amz-copy-source-if-match"


class Try(NamedTuple):
    """A request to an upload URL."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes = BODY

    def plus(self, **headers: str) -> "Try":
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self._replace(headers=[*self.headers, *named])

    def without(self, gone: str) -> "Try":
        return self._replace(headers=[header for header in self.headers if header[0].lower() != gone])

    def asking(self, query: str) -> "Try":
        return self._replace(url=f"{self.url}&{query}")

    def send(self) -> httpx.Response:
        return httpx.request(self.method, self.url, headers=self.headers, content=self.body)


def source(storage: S3Storage) -> str:
    return f"/{storage._bucket}/{OTHERS}"


@pytest.fixture
async def storage(s3: TestedS3) -> AsyncIterator[S3Storage]:
    """A bucket with another person's file."""
    storage = S3Storage(s3_at(s3, new_bucket()))
    await storage.open()
    await storage.put(OTHERS, SECRET, "text/plain")
    yield storage
    await storage.close()


@pytest.fixture
async def upload(storage: S3Storage) -> Upload:
    now = datetime.now(UTC)
    until = now + timedelta(minutes=1)
    return await storage.presign_upload(KEY, len(BODY), "text/plain", None, until, now)


@pytest.fixture
def honest(upload: Upload) -> Try:
    """The request that the URL allows."""
    return Try(upload.method, upload.url, list(upload.headers.items()))


def read(storage: S3Storage, key: str) -> bytes:
    body: bytes = storage._client.get_object(Bucket=storage._bucket, Key=key)["Body"].read()
    return body


def check_nothing_was_taken(storage: S3Storage, answer: httpx.Response) -> None:
    """Check that nothing of another person's file leaked or changed, and no other object exists."""
    assert answer.status_code < 500
    assert SECRET not in answer.content
    assert read(storage, OTHERS) == SECRET
    there = set(objects_of(storage))
    assert there <= {KEY, OTHERS}
    if KEY in there:
        assert read(storage, KEY) == BODY


SOURCES: dict[str, Callable[[str], str]] = {
    "as usual": str,
    "without a slash": lambda source: source[1:],
    "escaped": lambda source: source.replace("/", "%2F"),
    "a version": lambda source: f"{source}?versionId=null",
    "around a corner": lambda source: source.replace("files/", "uploads/../files/"),
}
WAYS: dict[str, Callable[[Try, str], Try]] = {
    "added": lambda honest, source: honest.plus(x_amz_copy_source=source),
    "in other letters": lambda honest, source: honest.plus(X_AMZ_COPY_SOURCE=source),
    "with metadata": lambda honest, source: honest.plus(
        x_amz_copy_source=source, x_amz_metadata_directive="REPLACE", x_amz_tagging_directive="REPLACE"
    ),
    "without the condition": lambda honest, source: honest.without(CONDITION).plus(x_amz_copy_source=source),
    "with another condition": lambda honest, source: honest.without(CONDITION).plus(
        x_amz_copy_source_if_match="*", x_amz_copy_source=source
    ),
    "with one condition more": lambda honest, source: honest.plus(
        x_amz_copy_source_if_match="*", x_amz_copy_source=source
    ),
    "with a condition that is met": lambda honest, source: honest.plus(
        x_amz_copy_source=source,
        x_amz_copy_source_if_none_match='"other"',
        x_amz_copy_source_if_unmodified_since="Fri, 01 Jan 2100 00:00:00 GMT",
    ),
    "as a part": lambda honest, source: honest.asking("partNumber=1&uploadId=1").plus(
        x_amz_copy_source=source
    ),
    "in the query": lambda honest, source: honest.asking(f"x-amz-copy-source={source}"),
    "signed by oneself": lambda honest, source: honest._replace(
        url=honest.url.replace("SignedHeaders=", "SignedHeaders=x-amz-copy-source%3B")
    ).plus(x_amz_copy_source=source),
}


@pytest.mark.parametrize("form", SOURCES)
@pytest.mark.parametrize("way", WAYS)
def test_it_copies_nothing(storage: S3Storage, honest: Try, way: str, form: str) -> None:
    answer = WAYS[way](honest, SOURCES[form](source(storage))).send()
    check_nothing_was_taken(storage, answer)
    assert honest.send().status_code == 200


ELSEWHERE: dict[str, Callable[[Try], Try]] = {
    "read": lambda honest: honest.without("content-length")._replace(method="GET", body=b""),
    "deleted": lambda honest: honest.without("content-length")._replace(method="DELETE", body=b""),
    "posted": lambda honest: honest._replace(method="POST"),
    "another key": lambda honest: honest._replace(url=honest.url.replace(KEY, OTHERS)),
    "around a corner": lambda honest: honest._replace(url=honest.url.replace(KEY, f"{OTHERS}/../../{KEY}")),
    "around an escaped corner": lambda honest: honest._replace(
        url=honest.url.replace(KEY, f"{OTHERS}%2F..%2F..%2F{KEY}")
    ),
    "behind a proxy": lambda honest: honest._replace(
        url=honest.url.replace(KEY, f"{OTHERS}/../../{KEY}")
    ).plus(X_Forwarded_Prefix="/"),
    "behind a proxy, and escaped": lambda honest: honest._replace(
        url=honest.url.replace(KEY, f"{OTHERS}%2F..%2F..%2F{KEY}")
    ).plus(X_Forwarded_Prefix="/"),
    "its tags": lambda honest: honest.asking("tagging"),
    "its rights": lambda honest: honest.asking("acl").plus(x_amz_acl="public-read"),
    "another name": lambda honest: honest.asking("renameObject").plus(x_amz_rename_source=OTHERS),
    "a part": lambda honest: honest.asking("partNumber=1&uploadId=1"),
    "parts": lambda honest: honest._replace(method="POST").asking("uploads"),
    "appended": lambda honest: honest.asking("op=append"),
    "signed again": lambda honest: honest._replace(url=honest.url.replace("Expires=", "Expires=9")),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_it_does_nothing_else(storage: S3Storage, honest: Try, what: str) -> None:
    check_nothing_was_taken(storage, ELSEWHERE[what](honest).send())
    assert honest.send().status_code == 200


@pytest.mark.parametrize("body", [BODY + b"!", BODY[1:], b"", BODY * 1000])
def test_it_takes_no_other_length(storage: S3Storage, honest: Try, body: bytes) -> None:
    headers = [*honest.without("content-length").headers, ("Content-Length", str(len(body)))]
    assert honest._replace(body=body, headers=headers).send().status_code == 403
    assert objects_of(storage) == [OTHERS]


def test_it_takes_nothing_in_chunks(storage: S3Storage, honest: Try) -> None:
    """A chunked body has no Content-Length, which is signed."""
    headers = honest.without("content-length").headers
    answer = httpx.request("PUT", honest.url, headers=headers, content=iter([BODY]))
    assert answer.status_code == 403
    assert objects_of(storage) == [OTHERS]
