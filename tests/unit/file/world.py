"""The file service without Kafka: its operations, events and sweep, and a fake server service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import IO, Any
from uuid import UUID

import msgspec

from apps.file.domain.files import Allowance, Usage
from apps.file.inbound.kafka import Dependencies, UrlTtl, on_server_event, register_operations
from apps.file.outbound.content_types import PuremagicSniffer
from apps.file.ports import DanglingFiles, PendingThumbnails, Storage, UnitOfWorkFactory
from apps.file.settings import FileSettings
from apps.file.usecases.make_thumbnails import MakeThumbnails
from apps.file.usecases.receive_upload import ReceiveUpload, UploadLimits
from apps.file.usecases.sweep import purge_bytes, sweep_uploads
from shared.contracts.errors import ServiceError
from shared.contracts.fields import Role
from shared.contracts.file import (
    FILE_COMPLETE,
    FILE_CREATE,
    FILE_DELETE,
    FILE_DESCRIBE,
    FILE_DOWNLOAD,
    FILE_GET,
    FILE_THUMBNAIL,
    FILE_UPLOAD,
    THUMBNAIL_SIZES,
    CreateFile,
    DescribeFiles,
    DownloadFile,
    File,
    GetThumbnail,
    NewFile,
    OfFile,
    Upload,
)
from shared.contracts.operation import Operation
from shared.kit.clock import SystemClock, SystemIds, now_ms
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call
from shared.membership.ports import MembershipStore
from shared.membership.resolver import MembershipResolver
from tests.fakes.file.dangling_files import MemoryDanglingFiles
from tests.fakes.file.membership import MemoryMembershipStore
from tests.fakes.file.pending_thumbnails import MemoryPendingThumbnails
from tests.fakes.file.storage import MemoryStorage
from tests.fakes.file.store import Store
from tests.fakes.file.unit_of_work import MemoryUnitOfWorkFactory
from tests.unit.membership.server_service import ServerService

IDS = SystemIds()
PART = 5 * 1024 * 1024
LIFE_S = 900
WRITES_END = timedelta(hours=1)
ALLOWANCE = Allowance(
    file_max_bytes=20 * 1024 * 1024,
    quota_bytes=40 * 1024 * 1024,
    quota_files=20,
    types=FileSettings(file_database_url="").allowance().types,
)


class MovedClock:
    """The time, moved ahead by `ahead`."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now().astimezone() + self.ahead


@dataclass
class Adapters:
    """The adapters of the service, and the views of a client and an operator on them."""

    units: UnitOfWorkFactory
    storage: Storage
    dangling: DanglingFiles
    pending: PendingThumbnails
    facts: MembershipStore
    clock: MovedClock
    events: Callable[[], Awaitable[list[str]]]
    rows: Callable[[], Awaitable[int]]
    send: Callable[[Upload, bytes], Awaitable[int]]
    read: Callable[[str], Awaitable[bytes | None]]
    objects: Callable[[], list[str]]
    """Returns the keys of all objects and of all unfinished uploads in the bucket."""


def memory() -> Adapters:
    """Return the fakes."""
    store, clock = Store(), MovedClock()
    storage = MemoryStorage(clock)

    async def events() -> list[str]:
        return [event.event_type.name for event in store.outbox]

    async def rows() -> int:
        return len(store.files)

    async def send(upload: Upload, body: bytes) -> int:
        return storage.send(upload, body)

    async def read(url: str) -> bytes | None:
        return storage.read(url)

    def objects() -> list[str]:
        return sorted([*storage.objects, *(key for key, _ in storage.parts)])

    return Adapters(
        units=MemoryUnitOfWorkFactory(store, clock),
        storage=storage,
        dangling=MemoryDanglingFiles(store),
        pending=MemoryPendingThumbnails(store),
        facts=MemoryMembershipStore(store),
        clock=clock,
        events=events,
        rows=rows,
        send=send,
        read=read,
        objects=objects,
    )


class FakeRenderer:
    """Renders thumbnails of any bytes."""

    def __init__(self) -> None:
        self.rendered = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Let everyone in."""
        yield

    @asynccontextmanager
    async def scratch_file(self, size: int) -> AsyncIterator[IO[bytes]]:
        """Open a buffer."""
        yield BytesIO()

    async def render(self, image: IO[bytes]) -> dict[int, bytes]:
        """Return one thumbnail of each size."""
        self.rendered += 1
        return {size: b"%d" % size for size in THUMBNAIL_SIZES}


class Form:
    """A file that is streamed in a form; `meanwhile` is called before each piece."""

    def __init__(self, channel_id: UUID, body: bytes, content_type: str = "text/plain") -> None:
        self.channel_id = channel_id
        self.name = "tea.txt"
        self.content_type = content_type
        self.size_max: int | None = None
        self.breaks_after: int | None = None
        self.meanwhile: Callable[[int], Awaitable[None]] | None = None
        self._body = body
        self._at = 0

    async def read(self, size: int) -> bytes:
        """Return the next bytes."""
        await asyncio.sleep(0)
        if self.meanwhile is not None:
            await self.meanwhile(self._at)
        if self.breaks_after is not None and self._at >= self.breaks_after:
            raise ConnectionError
        piece = self._body[self._at : self._at + size]
        self._at += size
        return piece


class World:
    """The service; Ada, a guest, and Ben, a moderator, are in a channel of it."""

    def __init__(self, adapters: Adapters) -> None:
        self.adapters = adapters
        self.clock, self.storage = adapters.clock, adapters.storage
        self.server = ServerService()
        self.renderer = FakeRenderer()
        self.resolver = MembershipResolver(self.server, adapters.facts, SystemClock())
        self.on_server_event = on_server_event(adapters.facts, adapters.clock)
        self.ada, self.ben, self.eve = IDS.new(), IDS.new(), IDS.new()
        deps = Dependencies(
            units=adapters.units,
            storage=adapters.storage,
            sniffer=PuremagicSniffer(),
            resolver=self.resolver,
            allowance=ALLOWANCE,
            thumbnails=MakeThumbnails(
                adapters.units, adapters.storage, self.renderer, adapters.clock, ALLOWANCE.file_max_bytes
            ),
            url_ttl=UrlTtl(LIFE_S, LIFE_S),
            clock=adapters.clock,
            ids=IDS,
        )
        self.handlers = HandlerRegistry("file")
        register_operations(self.handlers, deps)
        self.receiving = ReceiveUpload(
            deps.units,
            deps.storage,
            deps.sniffer,
            self.resolver,
            deps.clock,
            IDS,
            ALLOWANCE,
            UploadLimits(PART, LIFE_S, membership_timeout_s=10),
        )

    async def begin(self) -> None:
        """Set up the channel and its members."""
        self.channel, made = self.server.add_channel()
        for event in (made, self.server.join(self.ada), self.server.join(self.ben, Role.MODERATOR)):
            await self.on_server_event(event)

    async def create(self, size: int = 3, key: str | None = None, **changes: Any) -> NewFile:
        """Announce a file as Ada."""
        fields = {
            "channel_id": self.channel,
            "profile_id": self.ada,
            "name": "tea.txt",
            "size": size,
            "content_type": "text/plain",
        }
        request = CreateFile(**{**fields, **changes})
        new: NewFile = await self._call(FILE_CREATE, request, key=key)
        return new

    async def put(self, made: NewFile, body: bytes = b"tea") -> int:
        """Upload a body to the URL of an announced file; return the status."""
        return await self.adapters.send(made.upload, body)

    async def complete(
        self,
        file_id: UUID,
        profile_id: UUID | None = None,
        key: str | None = None,
        call_id: str | None = None,
    ) -> File:
        """Complete a file."""
        request = OfFile(file_id=file_id, profile_id=profile_id or self.ada)
        file: File = await self._call(FILE_COMPLETE, request, key=key, call_id=call_id)
        return file

    async def share(self, body: bytes = b"tea", **changes: Any) -> File:
        """Announce, upload and complete a file."""
        made = await self.create(len(body), **changes)
        assert await self.put(made, body) == 200
        return await self.complete(made.file.id)

    async def receive(self, form: Form, key: str | None = None) -> File:
        """Stream a file as Ada."""
        call = None if key is None else _call_of(FILE_UPLOAD, None, key=key)
        return await self.receiving.receive(form, self.ada, "the correlation id", call)

    async def delete(self, file_id: UUID, profile_id: UUID | None = None, call_id: str = "call") -> None:
        """Delete a file."""
        request = OfFile(file_id=file_id, profile_id=profile_id or self.ada)
        await self._call(FILE_DELETE, request, call_id=call_id)

    async def get(self, file_id: UUID, profile_id: UUID) -> File:
        """Return a file as a profile sees it."""
        request = OfFile(file_id=file_id, profile_id=profile_id)
        file: File = await self._call(FILE_GET, request)
        return file

    async def download(self, file_id: UUID, profile_id: UUID) -> bytes | None:
        """Return the bytes of a file."""
        request = DownloadFile(file_id=file_id, profile_id=profile_id)
        location = await self._call(FILE_DOWNLOAD, request)
        return await self.adapters.read(location.url)

    async def thumbnail(self, file_id: UUID, profile_id: UUID) -> bytes | None:
        """Return the smallest thumbnail of a file."""
        request = GetThumbnail(file_id=file_id, profile_id=profile_id, size=96)
        location = await self._call(FILE_THUMBNAIL, request)
        return await self.adapters.read(location.url)

    async def describe(self, *file_ids: UUID) -> list[UUID]:
        """Return the ids of files that Ada can attach to a message."""
        request = DescribeFiles(channel_id=self.channel, profile_id=self.ada, file_ids=list(file_ids))
        attachments = await self._call(FILE_DESCRIBE, request)
        return [attachment.id for attachment in attachments.items]

    async def sweep(self) -> None:
        """Run both sweep jobs once."""
        await sweep_uploads(self.adapters.dangling, self.clock)
        await purge_bytes(self.adapters.dangling, self.storage, self.clock, WRITES_END)

    async def pass_by(self, passed: timedelta) -> None:
        """Let some time pass, then sweep."""
        self.clock.ahead += passed
        await self.sweep()

    async def usage(self) -> Usage:
        """Return the usage of Ada."""
        async with self.adapters.units.transaction() as unit:
            return await unit.lock_usage(self.ada)

    async def _call(self, operation: Operation, request: Any, **envelope: Any) -> Any:
        handle = self.handlers.single[operation.name]
        return await handle(request, _call_of(operation, request, **envelope))

    async def left(self) -> tuple[Usage, int, list[str]]:
        """Return the usage of Ada, the number of rows, and the keys in the bucket."""
        return await self.usage(), await self.adapters.rows(), self.adapters.objects()


NOTHING = (Usage(0, 0), 0, list[str]())
EXPIRED = timedelta(seconds=LIFE_S + 1)


async def refused(work: Awaitable[Any]) -> str:
    """Return the code of the error that a call raises."""
    try:
        answer = await work
    except ServiceError as error:
        return error.code.name
    raise AssertionError(f"no error but {answer}")


def _call_of(
    operation: Operation, request: Any, *, call_id: str | None = None, key: str | None = None
) -> Call:
    return Call(
        operation=operation,
        correlation_id="the correlation id",
        call_id=call_id or str(IDS.new()),
        deadline_ms=now_ms() + 10_000,
        idempotency_key=key,
        body=msgspec.json.encode(request),
    )
