"""S3 by boto3, which blocks: each call runs in a thread of a bounded pool, and a bounded number waits."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from apps.file.ports import Found
from shared.contracts.errors import MESH_BUSY, MeshError
from shared.contracts.file import Upload

log = logging.getLogger(__name__)

T = TypeVar("T")

_WAITING_MAX = 512
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 8
_JOIN_TIMEOUT_S = 60
"""To make one object of many parts, or of another object, may take S3 long."""
_FETCHED_BYTES = 1024 * 1024
_GONE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_ANOTHER = frozenset({"412", "PreconditionFailed"})


class Away(MeshError):
    """What was asked for is not there, or is no longer the same. Who expects no such thing tries again."""

    def __init__(self) -> None:
        super().__init__(MESH_BUSY, "The file storage does not have what it had.")


class S3(Struct, frozen=True, kw_only=True):
    """Where a bucket is, and how to get in; without a key as boto3 finds one."""

    endpoint_url: str
    public_url: str
    """As clients find it."""
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str
    threads: int

    def __repr__(self) -> str:
        return f"S3({self.endpoint_url}, {self.bucket})"


class S3Storage:
    """One bucket. Close it at the end."""

    def __init__(self, s3: S3) -> None:
        self._bucket = s3.bucket
        self._region = s3.region
        self._client = _client(s3, s3.endpoint_url)
        self._patient = _client(s3, s3.endpoint_url, _JOIN_TIMEOUT_S)
        self._signer = self._client if s3.public_url == s3.endpoint_url else _client(s3, s3.public_url)
        self._threads = ThreadPoolExecutor(s3.threads, thread_name_prefix="s3")
        self._waiting = 0

    async def open(self) -> None:
        """Make the bucket when it is missing. Raises `mesh.busy` while S3 is away."""
        await self._run(self._open)

    async def ping(self) -> None:
        """Ask for a sign of life, and make the bucket anew if it is gone. Raises `mesh.busy` without one."""
        await self._run(self._open)

    async def close(self) -> None:
        """Wait for nobody: what is under way ends by its own bounds."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def upload_address(
        self, key: str, size: int, content_type: str, sha256: str | None, until: datetime, now: datetime
    ) -> Upload:
        """An address that takes exactly so many bytes of this type, and of this digest when one is given."""
        begun_s = monotonic()

        def sign() -> str:
            # It may have waited for a thread. What is written after its time nobody takes away.
            life_s = int((until - now).total_seconds() - (monotonic() - begun_s))
            if life_s < 1:
                raise _busy()
            return self._sign("put_object", key, wanted, life_s)

        wanted = {"ContentType": content_type, "ContentLength": size}
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        if sha256 is not None:
            wanted["ChecksumSHA256"] = sha256
            headers["x-amz-checksum-sha256"] = sha256
        url = await self._run(sign)
        return Upload(method="PUT", url=url, headers=headers, expires_at=until)

    async def download_address(self, key: str, life_s: int, headers: dict[str, str]) -> str:
        """An address that gives the object with these headers: Content-Type, Content-Disposition."""
        wanted = {f"Response{name.replace('-', '')}": value for name, value in headers.items()}
        return await self._run(lambda: self._sign("get_object", key, wanted, life_s))

    async def look(self, key: str) -> Found | None:
        """What lies there."""
        try:
            head = await self._run(lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        except Away:
            return None
        return Found(head["ContentLength"], head["ETag"])

    async def head(self, key: str, found: Found, size: int) -> bytes | None:
        """The first bytes of exactly that object; None when another lies there by now."""

        def read() -> bytes:
            wanted = {"IfMatch": found.etag, "Range": f"bytes=0-{min(size, found.size) - 1}"}
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **wanted)
            if answer["ETag"] != found.etag:
                raise Away()
            body: bytes = answer["Body"].read()
            return body

        try:
            return await self._run(read)
        except Away:
            return None

    async def copy(self, source: str, found: Found, target: str) -> bool:
        """Copy exactly that object; False when another lies there by now."""

        def copy() -> None:
            self._patient.copy_object(
                Bucket=self._bucket,
                Key=target,
                CopySource={"Bucket": self._bucket, "Key": source},
                CopySourceIfMatch=found.etag,
            )

        try:
            await self._run(copy)
        except Away:
            return False
        return True

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        await self._run(
            lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)
        )

    async def fetch(self, key: str, target: Path) -> bool:
        """Write an object into a file, without holding it in memory; False when it is not there."""

        def fetch() -> None:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            with target.open("wb") as file:
                for piece in body.iter_chunks(_FETCHED_BYTES):
                    file.write(piece)

        try:
            await self._run(fetch)
        except Away:
            return False
        return True

    async def begin(self, key: str, content_type: str) -> str:
        """Begin an object in parts; gives the id of this upload."""
        wanted = {"Bucket": self._bucket, "Key": key, "ContentType": content_type}
        begun = await self._run(lambda: self._client.create_multipart_upload(**wanted))
        upload: str = begun["UploadId"]
        return upload

    async def part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Send a part, numbered from 1; gives its tag."""
        place = {"Bucket": self._bucket, "Key": key, "UploadId": upload, "PartNumber": number}
        sent = await self._run(lambda: self._client.upload_part(**place, Body=body))
        tag: str = sent["ETag"]
        return tag

    async def finish(self, key: str, upload: str, tags: Sequence[str]) -> None:
        """Make one object of the parts."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        whole = {"Bucket": self._bucket, "Key": key, "UploadId": upload, "MultipartUpload": {"Parts": parts}}
        await self._run(lambda: self._patient.complete_multipart_upload(**whole))

    async def abort(self, key: str, upload: str) -> None:
        """Throw the parts away."""
        await self._run(lambda: self._abort(key, upload))

    async def remove(self, keys: Sequence[str]) -> None:
        """Delete these objects, and parts of unfinished ones; those that are not there do not matter."""
        for key in keys:  # each by itself: none takes long, and no thread is held for all
            await self._run(partial(self._remove, key))

    def _remove(self, key: str) -> None:
        found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        for begun in found.get("Uploads", ()):
            self._abort(begun["Key"], begun["UploadId"])
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def _abort(self, key: str, upload: str) -> None:
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
        except ClientError as error:
            if _code(error) not in _GONE:
                raise

    def _open(self) -> None:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if _code(error) not in _GONE:
                raise
            elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
            where = {} if self._region == "us-east-1" else elsewhere
            try:
                self._client.create_bucket(Bucket=self._bucket, **where)
            except ClientError as raced:
                if _code(raced) != "BucketAlreadyOwnedByYou":
                    raise

    def _sign(self, method: str, key: str, wanted: dict[str, Any], life_s: int) -> str:
        params = {"Bucket": self._bucket, "Key": key, **wanted}
        url: str = self._signer.generate_presigned_url(method, Params=params, ExpiresIn=life_s)
        return url

    async def _run(self, work: Callable[[], T]) -> T:
        """Do it in a thread. Raises Away, and `mesh.busy` for what is the fault of S3 or of its settings."""
        if self._waiting >= _WAITING_MAX:
            raise MESH_BUSY.error("Too much waits for the file storage.")
        self._waiting += 1
        try:
            with _told():
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _GONE or code in _ANOTHER:
            raise Away() from error
        log.warning("S3 refused %s: %s", error.operation_name, code)
        raise _busy() from error
    except (BotoCoreError, OSError) as error:
        raise _busy() from error


def _busy() -> MeshError:
    return MESH_BUSY.error("The file storage does not answer.")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _client(s3: S3, endpoint_url: str, read_timeout_s: int = _READ_TIMEOUT_S) -> Any:
    """A client whose calls have an end; who calls decides whether to try again."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id or None,
        aws_secret_access_key=s3.secret_access_key or None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if _is_own(endpoint_url) else "auto"},
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": 1},
            max_pool_connections=s3.threads,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _is_own(endpoint_url: str) -> bool:
    """Only Amazon's own S3 gives each bucket a host name of its own for certain."""
    return "amazonaws.com" not in endpoint_url
