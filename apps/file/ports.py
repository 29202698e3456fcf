"""Ports of the use cases: the database, S3, and the rendering of thumbnails."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import IO, Any, Protocol
from uuid import UUID

from msgspec import Struct

from apps.file.domain.files import ChannelMembership, FileRecord, Usage
from apps.file.domain.keys import DanglingFile
from shared.contracts.base import Answer
from shared.contracts.errors import ServiceError
from shared.contracts.event import EventType
from shared.contracts.file import File, Upload

StoredAnswer = Callable[[bytes], File]
"""Returns the first answer again to a request with this body; raises the first error, or
`idempotency.mismatch` for another body.
"""


class UnitOfWork(Protocol):
    """One transaction."""

    async def membership(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership | None:
        """Return what our copy knows of a profile in a channel; None for an unknown channel."""

    async def lock_usage(self, profile_id: UUID) -> Usage:
        """Return the usage of a person, locked until the end of the transaction."""

    async def charge(self, profile_id: UUID, size: int, files: int) -> None:
        """Add these bytes and files to a person's usage; negative numbers release them."""

    async def add(self, file: FileRecord) -> None:
        """Store a new file."""

    async def find(self, file_id: UUID, *, lock: bool = False) -> FileRecord | None:
        """Return a file or the tombstone of one; `lock` locks its row until the end of the transaction."""

    async def find_all(self, file_ids: Sequence[UUID]) -> list[FileRecord]:
        """Return the existing files among these, in any order."""

    async def update(self, file: FileRecord) -> None:
        """Store the changeable fields of a file: size, type, status, revision, thumbnails, the end of its
        upload URL, whether it counts against the quota, and the time of its purge.
        """

    async def mark_deleted(self, file: FileRecord, call_id: str, now: datetime) -> None:
        """Turn it into a tombstone; its bytes are purged from now on."""

    async def publish(self, event_type: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""

    async def find_stored(self, call: Any, profile_id: UUID) -> StoredAnswer | None:
        """Return the stored answer to this call, whose body does not matter yet; None without one."""


class UnitOfWorkFactory(Protocol):
    """Source of transactions. A `call` is identified by its Idempotency-Key, without one by its own id."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Begin a transaction: committed at the end, rolled back when the block raises."""

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Begin a read-only transaction."""

    async def run_once(
        self,
        call: Any,
        profile_id: UUID,
        work: Callable[[UnitOfWork], Awaitable[File | ServiceError]],
        *,
        store_errors: bool = True,
    ) -> File:
        """Do the work in a transaction, unless the call has a stored answer: then return that one.

        An error (below 500) that the work raises undoes it, and is stored as the answer if `store_errors`. An
        error that the work returns is stored together with its changes. Either is raised.
        """


class DanglingFiles(Protocol):
    """Finds files and tombstones that nobody needs; concurrent processes find different ones."""

    async def delete_overdue(self, now: datetime, size: int) -> int:
        """Turn at most `size` files with an overdue upload into tombstones; return how many."""

    async def delete_of_deleted_channels(self, now: datetime, size: int) -> int:
        """Turn files of deleted channels and servers into tombstones; return how many rows were touched."""

    async def release_quota(self, now: datetime, size: int) -> int:
        """Release the quota of at most `size` tombstones whose upload URL has expired; return how many."""

    async def claim(self, now: datetime, until: datetime, size: int) -> list[DanglingFile]:
        """Claim at most `size` files that are due for a purge. `until` identifies this claim: before then
        nobody else gets them.
        """

    async def settle(
        self, claim: datetime, done: Collection[UUID], postponed: Mapping[UUID, datetime]
    ) -> None:
        """End a claim: delete the tombstones that are `done`, and set the next purge of the others.

        A file that changed since it was claimed stays as it is.
        """


class ObjectHead(Struct, frozen=True):
    """An object in S3: its size in bytes, and the ETag of exactly these bytes."""

    size: int
    etag: str


class Storage(Protocol):
    """S3. Every method raises `mesh.busy` while S3 does not answer or too many calls wait for it."""

    async def presign_upload(
        self, key: str, size: int, content_type: str, sha256: str | None, until: datetime, now: datetime
    ) -> Upload:
        """Return a URL that accepts exactly `size` bytes of this type, and of this digest if one is given.

        It is valid until then and never longer. Raises `mesh.busy` if less than a second is left.
        """

    async def presign_download(self, key: str, ttl_s: int, headers: dict[str, str]) -> str:
        """Return a URL that serves the object with these headers: Content-Type, Content-Disposition."""

    async def head(self, key: str) -> ObjectHead | None:
        """Return the head of an object; None without one."""

    async def read_start(self, key: str, expected: ObjectHead, size: int) -> bytes | None:
        """Return the first bytes of exactly that object; None if another one replaced it."""

    async def copy(self, source: str, expected: ObjectHead, target: str, content_type: str) -> bool:
        """Copy exactly that object; return False if another one replaced it.

        A copy outlives the call that began it: the same copy, requested again, joins the running one, and a
        finished copy is not repeated.
        """

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""

    async def download(self, key: str, target: IO[bytes]) -> bool:
        """Write an object into a file, without holding it in memory; return False without one."""

    async def create_upload(self, key: str, content_type: str) -> str:
        """Begin an object in parts; return the id of this upload."""

    async def upload_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        """Send a part, numbered from 1; return its ETag."""

    async def complete_upload(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Make one object of the parts."""

    async def abort_uploads(self, key: str) -> None:
        """Delete the parts of all unfinished uploads of a key."""

    async def delete(self, keys: Sequence[str]) -> frozenset[str]:
        """Delete these objects; return the keys that S3 refused to delete. Missing objects do not matter."""


class Sniffer(Protocol):
    """Detects media types by content."""

    async def looks_like(self, head: bytes) -> frozenset[str]:
        """Return the media types that bytes with this beginning may have; none if nothing is known."""


class IncomingUpload(Protocol):
    """A file that is being streamed to us in a form."""

    channel_id: UUID
    name: str
    content_type: str
    """Empty if the client declared none."""
    size_max: int | None
    """An upper bound of its size in bytes, if known."""

    async def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end of the file. Raises the error of the form."""


class ThumbnailRenderer(Protocol):
    """Renders thumbnails."""

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Wait for the turn to render an image. Raises `mesh.busy` if too many wait."""

    def scratch_file(self, size: int) -> AbstractAsyncContextManager[IO[bytes]]:
        """Open a file for an image of this many bytes. Raises `mesh.busy` without room on the disk."""

    async def render(self, image: IO[bytes]) -> dict[int, bytes]:
        """Return the thumbnails of an image by size; none if it can not be decoded or is too large.

        Raises `mesh.busy` for everything that is not the image's fault.
        """


class PendingThumbnails(Protocol):
    """Finds the files whose thumbnails are not decided."""

    async def due(self, now: datetime, size: int) -> list[FileRecord]:
        """Return at most `size` complete files whose next try is due.

        Owners take turns, also across calls; each turn gives the file that has waited longest.
        """
