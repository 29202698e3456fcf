"""`apps.file.ports.Storage` on one bucket of S3. boto3 blocks, so each call runs in a bounded_executor."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import IO, Any, TypeVar

from botocore.exceptions import ClientError

from apps.file.outbound.bounded_executor import BoundedExecutor
from apps.file.outbound.copy_guard import CopyGuard
from apps.file.outbound.s3_client import (
    COMPLETE_TIMEOUT_S,
    NOT_FOUND,
    Bucket,
    ObjectChanged,
    client_of,
    code_of,
    translate_error,
)
from apps.file.ports import ObjectHead
from shared.contracts.file import Upload

log = logging.getLogger(__name__)

T = TypeVar("T")

_SIGNING_THREADS = 2
_DOWNLOAD_CHUNK_BYTES = 1024 * 1024
_DELETE_BATCH_MAX = 1000
"""The limit of S3."""
_COPY_OF = "copied"
"""The metadata with the ETag of an object's source. Its own ETag may differ, where S3 encrypts."""


class S3Storage:
    """One bucket. Close it at the end.

    Signing needs no network, the health check must not wait, completing takes long: each has its own
    threads, so that a slow S3 delays only the slow calls.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket.name
        self._region = bucket.region
        self._client = client_of(bucket, bucket.endpoint_url)
        self._patient_client = client_of(bucket, bucket.endpoint_url, COMPLETE_TIMEOUT_S)
        is_same = bucket.public_url == bucket.endpoint_url
        self._signer = self._client if is_same else client_of(bucket, bucket.public_url)
        self._guard = CopyGuard()
        for client in {self._client, self._signer}:
            self._guard.watch(client)
        self._calls = BoundedExecutor("s3", bucket.threads)
        self._completing = BoundedExecutor("s3-completing", bucket.threads)
        self._signing = BoundedExecutor("s3-signing", _SIGNING_THREADS)
        self._probing = BoundedExecutor("s3-probing", 1)
        self._copies: dict[tuple[str, str, str], asyncio.Task[bool]] = {}

    async def open(self) -> None:
        """Check that S3 answers; create a missing bucket. Raises `mesh.busy` while S3 does not answer.

        The first time it also tests whether upload URLs are safe there.
        """
        await _run(self._probing, self._open)

    async def close(self) -> None:
        """Close without waiting: running calls end by their own timeouts."""
        for task in self._copies.values():
            task.cancel()
        for executor in (self._calls, self._completing, self._signing, self._probing):
            executor.close()

    async def presign_upload(
        self, key: str, size: int, content_type: str, sha256: str | None, until: datetime, now: datetime
    ) -> Upload:
        """Return a URL that accepts exactly `size` bytes of this type, and of this digest if one is given."""
        started_s = monotonic()

        def ttl_s() -> int:
            # The call may have waited for a thread. Objects that come after `until` are never purged.
            left_s = int((until - now).total_seconds() - (monotonic() - started_s))
            if left_s < 1:
                raise ObjectChanged()
            return left_s

        params = {"ContentType": content_type, "ContentLength": size}
        headers = {"Content-Type": content_type, "Content-Length": str(size), **self._guard.headers}
        if sha256 is not None:
            params |= {"ChecksumSHA256": sha256, "ChecksumAlgorithm": "SHA256"}
            headers |= {"x-amz-checksum-sha256": sha256, "x-amz-sdk-checksum-algorithm": "SHA256"}
        url = await self._sign("put_object", key, params, ttl_s)
        return Upload(method="PUT", url=url, headers=headers, expires_at=until)

    async def presign_download(self, key: str, ttl_s: int, headers: dict[str, str]) -> str:
        """Return a URL that serves the object with these headers: Content-Type, Content-Disposition."""
        params = {f"Response{name.replace('-', '')}": value for name, value in headers.items()}
        return await self._sign("get_object", key, params, lambda: ttl_s)

    async def head(self, key: str) -> ObjectHead | None:
        """Return the head of an object; None without one."""
        head = await self._head(key)
        return None if head is None else ObjectHead(head["ContentLength"], head["ETag"])

    async def read_start(self, key: str, expected: ObjectHead, size: int) -> bytes | None:
        """Return the first bytes of exactly that object; None if another one replaced it."""

        def read() -> bytes:
            conditions = {"IfMatch": expected.etag, "Range": f"bytes=0-{min(size, expected.size) - 1}"}
            response = self._client.get_object(Bucket=self._bucket, Key=key, **conditions)
            if response["ETag"] != expected.etag:
                raise ObjectChanged()
            body: bytes = response["Body"].read()
            return body

        try:
            return await _run(self._calls, read)
        except ObjectChanged:
            return None

    async def copy(self, source: str, expected: ObjectHead, target: str, content_type: str) -> bool:
        """Copy exactly that object; return False if another one replaced it.

        A copy outlives the call that began it: the same copy, requested again, joins the running one, and a
        finished copy is not repeated.
        """
        name = (source, expected.etag, target)
        task = self._copies.get(name)
        if task is None or task.done():
            copying = self._copy(source, expected, target, content_type)
            task = self._copies[name] = asyncio.create_task(copying)
            task.add_done_callback(lambda done: self._copied(name, done))
        return await asyncio.shield(task)

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        params = {"Bucket": self._bucket, "Key": key, "Body": body, "ContentType": content_type}
        await _run(self._calls, lambda: self._client.put_object(**params))

    async def download(self, key: str, target: IO[bytes]) -> bool:
        """Write an object into a file, without holding it in memory; return False without one."""

        def download() -> None:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            for chunk in body.iter_chunks(_DOWNLOAD_CHUNK_BYTES):
                target.write(chunk)
            target.flush()

        try:
            await _run(self._calls, download)
        except ObjectChanged:
            return False
        return True

    async def create_upload(self, key: str, content_type: str) -> str:
        """Begin an object in parts; return the id of this upload."""
        params = {"Bucket": self._bucket, "Key": key, "ContentType": content_type}
        response = await _run(self._calls, lambda: self._client.create_multipart_upload(**params))
        upload_id: str = response["UploadId"]
        return upload_id

    async def upload_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Send a part, numbered from 1; return its ETag."""
        params = {"Bucket": self._bucket, "Key": key, "UploadId": upload_id, "PartNumber": number}
        response = await _run(self._calls, lambda: self._client.upload_part(**params, Body=body))
        etag: str = response["ETag"]
        return etag

    async def complete_upload(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Make one object of the parts."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        params = {
            "Bucket": self._bucket,
            "Key": key,
            "UploadId": upload_id,
            "MultipartUpload": {"Parts": parts},
        }
        await _run(self._completing, lambda: self._patient_client.complete_multipart_upload(**params))

    async def abort_uploads(self, key: str) -> None:
        """Delete the parts of all unfinished uploads of a key."""
        await _run(self._calls, lambda: self._abort_uploads(key))

    async def delete(self, keys: Sequence[str]) -> frozenset[str]:
        """Delete these objects; return the keys that S3 refused to delete. Missing objects do not matter."""
        stuck: set[str] = set()
        for begin in range(0, len(keys), _DELETE_BATCH_MAX):
            stuck |= await self._delete(keys[begin : begin + _DELETE_BATCH_MAX])
        return frozenset(stuck)

    async def _head(self, key: str) -> Any:
        try:
            return await _run(self._calls, lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        except ObjectChanged:
            return None

    async def _sign(self, method: str, key: str, more: dict[str, Any], ttl_s: Callable[[], int]) -> str:
        params = {"Bucket": self._bucket, "Key": key, **more}
        url: str = await _run(
            self._signing,
            lambda: self._signer.generate_presigned_url(method, Params=params, ExpiresIn=ttl_s()),
        )
        return url

    async def _copy(self, source: str, expected: ObjectHead, target: str, content_type: str) -> bool:
        etag = expected.etag.strip('"')
        existing = await self._head(target)
        if existing is not None and existing["Metadata"].get(_COPY_OF) == etag:
            return True
        params = {
            "Bucket": self._bucket,
            "Key": target,
            "CopySource": {"Bucket": self._bucket, "Key": source},
            "CopySourceIfMatch": expected.etag,
            "MetadataDirective": "REPLACE",
            "Metadata": {_COPY_OF: etag},
            "ContentType": content_type,
        }
        try:
            await _run(self._completing, lambda: self._patient_client.copy_object(**params))
        except ObjectChanged:
            return False
        return True

    def _copied(self, name: tuple[str, str, str], task: "asyncio.Task[bool]") -> None:
        if self._copies.get(name) is task:  # a newer copy may have replaced it
            del self._copies[name]
        if not task.cancelled():
            task.exception()  # retrieved, as nobody may await the task

    async def _delete(self, keys: Sequence[str]) -> set[str]:
        request = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        response = await _run(
            self._calls, lambda: self._client.delete_objects(Bucket=self._bucket, Delete=request)
        )
        stuck = {error["Key"]: error["Code"] for error in response.get("Errors", ())}
        if stuck:
            log.warning(
                "S3 refused to delete %d of %d objects: %s", len(stuck), len(keys), set(stuck.values())
            )
        return set(stuck)

    def _abort_uploads(self, key: str) -> None:
        response = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        for upload in response.get("Uploads", ()):
            params = {"Bucket": self._bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            try:
                self._client.abort_multipart_upload(**params)
            except ClientError as error:
                if code_of(error) not in NOT_FOUND:
                    raise

    def _open(self) -> None:
        self._create_bucket()
        self._guard.test(self._client, self._bucket)

    def _create_bucket(self) -> None:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if code_of(error) not in NOT_FOUND:
                raise
            elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
            location = {} if self._region == "us-east-1" else elsewhere
            try:
                self._client.create_bucket(Bucket=self._bucket, **location)
            except ClientError as raced:
                if code_of(raced) != "BucketAlreadyOwnedByYou":
                    raise


async def _run(executor: BoundedExecutor, work: Callable[[], T]) -> T:
    """Do it in a thread. Raises ObjectChanged, and `mesh.busy` for the faults of S3 or of its settings."""
    with translate_error():
        return await executor.run(work)
