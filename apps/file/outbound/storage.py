"""One bucket of S3. boto3 blocks, so each call runs in a thread (see threads.py)."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import IO, Any, TypeVar

from botocore.exceptions import ClientError

from apps.file.outbound.bounded_executor import BoundedExecutor
from apps.file.outbound.copy_guard import CopyGuard
from apps.file.outbound.s3_client import GONE, JOIN_TIMEOUT_S, S3, Away, client_of, code_of, told
from apps.file.ports import ObjectHead
from shared.contracts.file import Upload

log = logging.getLogger(__name__)

T = TypeVar("T")

_SIGNING_THREADS = 2
_FETCHED_BYTES = 1024 * 1024
_REMOVED_AT_ONCE = 1000
"""So many S3 takes."""
_COPIED = "copied"
"""The tag of what an object is a copy of, among its metadata. Its own tag may differ, where S3 encrypts."""


class S3Storage:
    """One bucket. Close it at the end.

    Signing takes no network, asking for a sign of life must not wait, joining takes long: each has threads of
    its own, so that a slow S3 holds up nothing but what is slow.
    """

    def __init__(self, s3: S3) -> None:
        self._bucket = s3.bucket
        self._region = s3.region
        self._client = client_of(s3, s3.endpoint_url)
        self._patient = client_of(s3, s3.endpoint_url, JOIN_TIMEOUT_S)
        self._signer = self._client if s3.public_url == s3.endpoint_url else client_of(s3, s3.public_url)
        self._guard = CopyGuard()
        for client in {self._client, self._signer}:
            self._guard.watch(client)
        self._threads = BoundedExecutor("s3", s3.threads)
        self._joining = BoundedExecutor("s3-joining", s3.threads)
        self._signing = BoundedExecutor("s3-signing", _SIGNING_THREADS)
        self._asking = BoundedExecutor("s3-asking", 1)
        self._copies: dict[tuple[str, str, str], asyncio.Task[bool]] = {}

    async def open(self) -> None:
        """A sign of life; makes the bucket when it is missing. Raises `mesh.busy` while S3 is away.

        The first time it is also tried whether addresses for uploads are safe there.
        """
        await _run(self._asking, self._open)

    async def close(self) -> None:
        """Wait for nobody: what is under way ends by its own bounds."""
        for task in self._copies.values():
            task.cancel()
        for threads in (self._threads, self._joining, self._signing, self._asking):
            threads.close()

    async def upload_address(
        self, key: str, size: int, content_type: str, sha256: str | None, until: datetime, now: datetime
    ) -> Upload:
        """An address that takes exactly so many bytes of this type, and of this digest when one is given."""
        begun_s = monotonic()

        def life_s() -> int:
            # It may have waited for a thread. What is written after its time nobody takes away.
            left_s = int((until - now).total_seconds() - (monotonic() - begun_s))
            if left_s < 1:
                raise Away()
            return left_s

        wanted = {"ContentType": content_type, "ContentLength": size}
        headers = {"Content-Type": content_type, "Content-Length": str(size), **self._guard.headers}
        if sha256 is not None:
            wanted |= {"ChecksumSHA256": sha256, "ChecksumAlgorithm": "SHA256"}
            headers |= {"x-amz-checksum-sha256": sha256, "x-amz-sdk-checksum-algorithm": "SHA256"}
        url = await self._sign("put_object", key, wanted, life_s)
        return Upload(method="PUT", url=url, headers=headers, expires_at=until)

    async def download_address(self, key: str, life_s: int, headers: dict[str, str]) -> str:
        """An address that gives the object with these headers: Content-Type, Content-Disposition."""
        wanted = {f"Response{name.replace('-', '')}": value for name, value in headers.items()}
        return await self._sign("get_object", key, wanted, lambda: life_s)

    async def look(self, key: str) -> ObjectHead | None:
        """What lies there."""
        head = await self._head(key)
        return None if head is None else ObjectHead(head["ContentLength"], head["ETag"])

    async def head(self, key: str, found: ObjectHead, size: int) -> bytes | None:
        """The first bytes of exactly that object; None when another lies there by now."""

        def read() -> bytes:
            wanted = {"IfMatch": found.etag, "Range": f"bytes=0-{min(size, found.size) - 1}"}
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **wanted)
            if answer["ETag"] != found.etag:
                raise Away()
            body: bytes = answer["Body"].read()
            return body

        try:
            return await _run(self._threads, read)
        except Away:
            return None

    async def copy(self, source: str, found: ObjectHead, target: str, content_type: str) -> bool:
        """Copy exactly that object; False when another lies there by now.

        A copy outlives the call that began it: who asks for the same again waits for the same one, and what
        was copied is not copied again.
        """
        name = (source, found.etag, target)
        task = self._copies.get(name)
        if task is None or task.done():
            copying = self._copy(source, found, target, content_type)
            task = self._copies[name] = asyncio.create_task(copying)
            task.add_done_callback(lambda done: self._copied(name, done))
        return await asyncio.shield(task)

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        whole = {"Bucket": self._bucket, "Key": key, "Body": body, "ContentType": content_type}
        await _run(self._threads, lambda: self._client.put_object(**whole))

    async def fetch(self, key: str, target: IO[bytes]) -> bool:
        """Write an object into a file, without holding it in memory; False when it is not there."""

        def fetch() -> None:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            for piece in body.iter_chunks(_FETCHED_BYTES):
                target.write(piece)
            target.flush()

        try:
            await _run(self._threads, fetch)
        except Away:
            return False
        return True

    async def begin(self, key: str, content_type: str) -> str:
        """Begin an object in parts; gives the id of this upload."""
        wanted = {"Bucket": self._bucket, "Key": key, "ContentType": content_type}
        begun = await _run(self._threads, lambda: self._client.create_multipart_upload(**wanted))
        upload: str = begun["UploadId"]
        return upload

    async def part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Send a part, numbered from 1; gives its tag."""
        place = {"Bucket": self._bucket, "Key": key, "UploadId": upload, "PartNumber": number}
        sent = await _run(self._threads, lambda: self._client.upload_part(**place, Body=body))
        tag: str = sent["ETag"]
        return tag

    async def finish(self, key: str, upload: str, tags: Sequence[str]) -> None:
        """Make one object of the parts."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        whole = {
            "Bucket": self._bucket,
            "Key": key,
            "UploadId": upload,
            "MultipartUpload": {"Parts": parts},
        }
        await _run(self._joining, lambda: self._patient.complete_multipart_upload(**whole))

    async def drop_parts(self, key: str) -> None:
        """Throw away the parts of whatever was begun there and not finished."""
        await _run(self._threads, lambda: self._drop_parts(key))

    async def remove(self, keys: Sequence[str]) -> frozenset[str]:
        """Delete these objects; gives those that S3 would not delete. What is not there does not matter."""
        stuck: set[str] = set()
        for begin in range(0, len(keys), _REMOVED_AT_ONCE):
            stuck |= await self._remove(keys[begin : begin + _REMOVED_AT_ONCE])
        return frozenset(stuck)

    async def _head(self, key: str) -> Any:
        try:
            return await _run(self._threads, lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        except Away:
            return None

    async def _sign(self, method: str, key: str, wanted: dict[str, Any], life_s: Callable[[], int]) -> str:
        params = {"Bucket": self._bucket, "Key": key, **wanted}
        url: str = await _run(
            self._signing,
            lambda: self._signer.generate_presigned_url(method, Params=params, ExpiresIn=life_s()),
        )
        return url

    async def _copy(self, source: str, found: ObjectHead, target: str, content_type: str) -> bool:
        tag = found.etag.strip('"')
        there = await self._head(target)
        if there is not None and there["Metadata"].get(_COPIED) == tag:
            return True
        wanted = {
            "CopySource": {"Bucket": self._bucket, "Key": source},
            "CopySourceIfMatch": found.etag,
            "MetadataDirective": "REPLACE",
            "Metadata": {_COPIED: tag},
            "ContentType": content_type,
        }
        place = {"Bucket": self._bucket, "Key": target}
        try:
            await _run(self._joining, lambda: self._patient.copy_object(**place, **wanted))
        except Away:
            return False
        return True

    def _copied(self, name: tuple[str, str, str], done: "asyncio.Task[bool]") -> None:
        if self._copies.get(name) is done:  # a newer copy may have its place
            del self._copies[name]
        if not done.cancelled():
            done.exception()  # nobody may be waiting for it any longer

    async def _remove(self, keys: Sequence[str]) -> set[str]:
        gone = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = await _run(
            self._threads, lambda: self._client.delete_objects(Bucket=self._bucket, Delete=gone)
        )
        stuck = {error["Key"]: error["Code"] for error in answer.get("Errors", ())}
        if stuck:
            log.warning(
                "S3 would not delete %d of %d objects: %s", len(stuck), len(keys), set(stuck.values())
            )
        return set(stuck)

    def _drop_parts(self, key: str) -> None:
        found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        for begun in found.get("Uploads", ()):
            place = {"Bucket": self._bucket, "Key": begun["Key"], "UploadId": begun["UploadId"]}
            try:
                self._client.abort_multipart_upload(**place)
            except ClientError as error:
                if code_of(error) not in GONE:
                    raise

    def _open(self) -> None:
        self._make_bucket()
        self._guard.try_out(self._client, self._bucket)

    def _make_bucket(self) -> None:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
            where = {} if self._region == "us-east-1" else elsewhere
            try:
                self._client.create_bucket(Bucket=self._bucket, **where)
            except ClientError as raced:
                if code_of(raced) != "BucketAlreadyOwnedByYou":
                    raise


async def _run(threads: BoundedExecutor, work: Callable[[], T]) -> T:
    """Raises Away, and `mesh.busy` for what is the fault of S3 or of its settings."""
    with told():
        return await threads.run(work)
