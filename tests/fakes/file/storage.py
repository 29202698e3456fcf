"""`apps.file.ports.Storage` in memory. Its URLs work with `send` and `read` only."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import IO

from msgspec import Struct

from apps.file.ports import ObjectHead
from shared.contracts.clock import Clock
from shared.contracts.errors import MESH_BUSY
from shared.contracts.file import Upload


class Stored(Struct, frozen=True):
    """An object."""

    body: bytes
    content_type: str

    @property
    def etag(self) -> str:
        """Return the ETag of exactly these bytes."""
        return f'"{hashlib.sha256(self.body).hexdigest()}"'


class _SignedUrl(Struct, frozen=True):
    key: str
    until: datetime
    headers: dict[str, str]


class MemoryStorage:
    """One bucket."""

    def __init__(self, clock: Clock) -> None:
        self.objects: dict[str, Stored] = {}
        self._numbers = count()
        self.parts: dict[tuple[str, str], dict[int, bytes]] = {}
        """The parts of unfinished uploads, by key and upload id."""
        self.away = False
        """If True, every method but presigning raises `mesh.busy`."""
        self.stuck: set[str] = set()
        """The keys that S3 refuses to delete."""
        self._clock = clock
        self._urls: dict[str, _SignedUrl] = {}

    def send(self, upload: Upload, body: bytes) -> int:
        """Use an upload URL as a client does; return the status of S3's response."""
        signed = self._urls[upload.url]
        sent = {**upload.headers, "Content-Length": str(len(body))}
        if self._clock.now() > signed.until or sent != signed.headers:
            return 403
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if sent.get("x-amz-checksum-sha256", digest) != digest:
            return 400
        self.objects[signed.key] = Stored(body, upload.headers["Content-Type"])
        return 200

    def read(self, url: str) -> bytes | None:
        """Return the bytes that a client gets from a download URL; None without an object."""
        signed = self._urls[url]
        found = self.objects.get(signed.key)
        return None if found is None or self._clock.now() > signed.until else found.body

    async def presign_upload(
        self, key: str, size: int, content_type: str, sha256: str | None, until: datetime, now: datetime
    ) -> Upload:
        """Return a URL that accepts exactly `size` bytes of this type, and of this digest if one is given."""
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        if sha256 is not None:
            headers |= {"x-amz-checksum-sha256": sha256, "x-amz-sdk-checksum-algorithm": "SHA256"}
        if until - now < timedelta(seconds=1):
            raise MESH_BUSY.exception("The URL would expire at once.")
        url = self._url_of(_SignedUrl(key, until, headers))
        return Upload(method="PUT", url=url, headers=dict(headers), expires_at=until)

    async def presign_download(self, key: str, ttl_s: int, headers: dict[str, str]) -> str:
        """Return a URL that serves the object with these headers: Content-Type, Content-Disposition."""
        return self._url_of(_SignedUrl(key, self._clock.now() + timedelta(seconds=ttl_s), headers))

    async def head(self, key: str) -> ObjectHead | None:
        """Return the head of an object; None without one."""
        self._check()
        found = self.objects.get(key)
        return None if found is None else ObjectHead(len(found.body), found.etag)

    async def read_start(self, key: str, expected: ObjectHead, size: int) -> bytes | None:
        """Return the first bytes of exactly that object; None if another one replaced it."""
        there = self._same(key, expected)
        return None if there is None else there.body[:size]

    async def copy(self, source: str, expected: ObjectHead, target: str, content_type: str) -> bool:
        """Copy exactly that object; return False if another one replaced it."""
        there = self._same(source, expected)
        if there is not None:
            self.objects[target] = Stored(there.body, content_type)
        return there is not None

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        self._check()
        self.objects[key] = Stored(body, content_type)

    async def download(self, key: str, target: IO[bytes]) -> bool:
        """Write an object into a file; return False without one."""
        self._check()
        if key not in self.objects:
            return False
        target.write(self.objects[key].body)
        target.flush()
        return True

    async def create_upload(self, key: str, content_type: str) -> str:
        """Begin an object in parts; return the id of this upload."""
        self._check()
        upload_id = f"{content_type} {next(self._numbers)}"
        self.parts[key, upload_id] = {}
        return upload_id

    async def upload_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Send a part, numbered from 1; return its ETag."""
        self._check()
        if (key, upload_id) not in self.parts:
            raise MESH_BUSY.exception("The file storage does not have what it had.")
        self.parts[key, upload_id][number] = body
        return Stored(body, "").etag

    async def complete_upload(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Make one object of the parts."""
        self._check()
        parts = self.parts.pop((key, upload_id), None)
        if parts is None or [Stored(parts[number], "").etag for number in sorted(parts)] != list(etags):
            raise MESH_BUSY.exception("The file storage does not have what it had.")
        body = b"".join(parts[number] for number in sorted(parts))
        self.objects[key] = Stored(body, upload_id.partition(" ")[0])

    async def abort_uploads(self, key: str) -> None:
        """Delete the parts of all unfinished uploads of a key."""
        self._check()
        for begun in [begun for begun in self.parts if begun[0] == key]:
            del self.parts[begun]

    async def delete(self, keys: Sequence[str]) -> frozenset[str]:
        """Delete these objects; return the keys that S3 refused to delete. Missing objects do not matter."""
        self._check()
        for key in set(keys) - self.stuck:
            self.objects.pop(key, None)
        return frozenset(self.stuck.intersection(keys))

    def _url_of(self, signed: _SignedUrl) -> str:
        url = f"memory://{signed.key}?{next(self._numbers)}"
        self._urls[url] = signed
        return url

    def _same(self, key: str, expected: ObjectHead) -> Stored | None:
        self._check()
        there = self.objects.get(key)
        return there if there is not None and there.etag == expected.etag else None

    def _check(self) -> None:
        if self.away:
            raise MESH_BUSY.exception("The file storage does not answer.")
