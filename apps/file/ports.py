"""What the use cases need from outside."""

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

FirstAnswer = Callable[[bytes], File]
"""Gives the first answer again to a request with this body; raises the first refusal, or
`idempotency.mismatch` for another body.
"""


class UnitOfWork(Protocol):
    """One transaction."""

    async def place(self, channel_id: UUID, profile_id: UUID) -> ChannelMembership | None:
        """What is known about a profile in a channel."""

    async def lock_usage(self, profile_id: UUID) -> Usage:
        """What a person's files take, locked until the end."""

    async def charge(self, profile_id: UUID, size: int, files: int) -> None:
        """Count so many bytes and files more, or less, against a person."""

    async def add(self, kept: FileRecord) -> None:
        """Store a new file."""

    async def file(self, file_id: UUID, *, lock: bool = False) -> FileRecord | None:
        """A file or the tombstone of one."""

    async def files(self, file_ids: Sequence[UUID]) -> list[FileRecord]:
        """Those of these files that are there, in any order."""

    async def store(self, kept: FileRecord) -> None:
        """Store what changed about a file: size, type, status, revision, thumbnails, and for how long its
        address is good, whether it counts, when it is purged.
        """

    async def bury(self, kept: FileRecord, call_id: str, now: datetime) -> None:
        """Store it as a tombstone, whose bytes are purged from now on."""

    async def publish(self, kind: EventType, key: UUID, revision: int, data: Answer) -> None:
        """Write an event that is sent if, and only if, this transaction commits."""

    async def known(self, call: Any, profile_id: UUID) -> FirstAnswer | None:
        """What the call was answered with before; its body does not matter yet."""


class UnitOfWorkFactory(Protocol):
    """Where the use cases work. A `call` is known by its Idempotency-Key, or else by its own id."""

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Committed at the end, rolled back when the block raises."""

    def snapshot(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """To read only."""

    async def once(
        self,
        call: Any,
        profile_id: UUID,
        work: Callable[[UnitOfWork], Awaitable[File | ServiceError]],
        *,
        keep_refusals: bool = True,
    ) -> File:
        """Do the work in a transaction, unless the call was answered before: then its first answer.

        A refusal (below 500) that the work raises undoes it, and is kept as its answer unless that is not
        wanted; one that it gives is kept together with what was done. Either is raised.
        """


class DanglingFiles(Protocol):
    """Finds what nobody needs any longer; two processes that look at once find different things."""

    async def overdue(self, now: datetime, size: int) -> int:
        """Make tombstones of files whose upload was not completed in time; gives how many."""

    async def of_deleted_channels(self, now: datetime, size: int) -> int:
        """Make tombstones of the files of deleted channels and servers; gives how many rows were touched."""

    async def give_back(self, now: datetime, size: int) -> int:
        """Count tombstones no longer whose address takes no more bytes; gives how many."""

    async def claim(self, now: datetime, until: datetime, size: int) -> list[DanglingFile]:
        """What is to be purged by now. Nobody else is given it before `until`, which names this claim."""

    async def settle(self, claim: datetime, done: Collection[UUID], again: Mapping[UUID, datetime]) -> None:
        """End a claim: forget the tombstones that are `done`, and look at the others when it is said.

        A file that changed since it was claimed stays as it is.
        """


class ObjectHead(Struct, frozen=True):
    """An object in S3: its size in bytes, and the tag of exactly these bytes."""

    size: int
    etag: str


class Storage(Protocol):
    """S3. Everything raises `mesh.busy` while it is away or too much waits for it."""

    async def upload_address(
        self, key: str, size: int, content_type: str, sha256: str | None, until: datetime, now: datetime
    ) -> Upload:
        """An address that takes exactly so many bytes of this type, and of this digest when one is given.

        It is good until then and never longer. Raises `mesh.busy` when less than a second is left.
        """

    async def download_address(self, key: str, life_s: int, headers: dict[str, str]) -> str:
        """An address that gives the object with these headers: Content-Type, Content-Disposition."""

    async def look(self, key: str) -> ObjectHead | None:
        """What lies there."""

    async def head(self, key: str, found: ObjectHead, size: int) -> bytes | None:
        """The first bytes of exactly that object; None when another lies there by now."""

    async def copy(self, source: str, found: ObjectHead, target: str, content_type: str) -> bool:
        """Copy exactly that object; False when another lies there by now.

        A copy outlives the call that began it: who asks for the same again waits for the same one, and what
        was copied is not copied again.
        """

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""

    async def fetch(self, key: str, target: IO[bytes]) -> bool:
        """Write an object into a file, without holding it in memory; False when it is not there."""

    async def begin(self, key: str, content_type: str) -> str:
        """Begin an object in parts; gives the id of this upload."""

    async def part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Send a part, numbered from 1; gives its tag."""

    async def finish(self, key: str, upload: str, tags: Sequence[str]) -> None:
        """Make one object of the parts."""

    async def drop_parts(self, key: str) -> None:
        """Throw away the parts of whatever was begun there and not finished."""

    async def remove(self, keys: Sequence[str]) -> frozenset[str]:
        """Delete these objects; gives those that S3 would not delete. What is not there does not matter."""


class Sniffer(Protocol):
    """Knows types by their bytes."""

    async def looks_like(self, head: bytes) -> frozenset[str]:
        """The media types that bytes which begin like this may be; none when nothing is known."""


class Incoming(Protocol):
    """A file that is being sent to us, in a form."""

    channel_id: UUID
    name: str
    content_type: str
    """Empty when nothing is said about it."""
    size_max: int | None
    """It is no larger than this, as far as that is known."""

    async def read(self, size: int) -> bytes:
        """The next bytes, exactly so many unless the file ends; raises what is wrong with the form."""


class ThumbnailRenderer(Protocol):
    """Makes thumbnails."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Who is let in may use a desk; raises `mesh.busy` when too many wait."""

    def desk(self, size: int) -> AbstractAsyncContextManager[IO[bytes]]:
        """A file for an image of so many bytes; raises `mesh.busy` when there is no room."""

    async def paint(self, image: IO[bytes]) -> dict[int, bytes]:
        """The thumbnails of an image by size; none when it can not be read or is too large.

        Raises `mesh.busy` for all that is not the image's fault.
        """


class PendingThumbnails(Protocol):
    """Knows the files of which it is not known whether they have thumbnails."""

    async def due(self, now: datetime, size: int) -> list[FileRecord]:
        """At most so many complete files that are to be tried now.

        People have their turns one after another, across calls; whoever's turn it is gives the file that has
        waited longest.
        """
