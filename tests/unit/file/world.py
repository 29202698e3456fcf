"""The file service without Kafka: its operations, its events, its sweep, and a server service beside it."""

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
from apps.file.inbound.kafka import Dependencies, Inbound, UrlTtl, hear
from apps.file.outbound.content_types import PureMagic
from apps.file.ports import DanglingFiles, PendingThumbnails, Storage, UnitOfWorkFactory
from apps.file.settings import FileSettings
from apps.file.usecases.make_thumbnails import MakeThumbnails
from apps.file.usecases.receive_upload import PartLimits, ReceiveUpload
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
from shared.kit.wire.call import Call
from shared.membership.ports import MembershipStore
from shared.membership.resolver import AccessQuery, MembershipResolver, with_fresh_membership
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
    """The time, and more."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now().astimezone() + self.ahead


@dataclass
class Outside:
    """The adapters of one kind, and what a client and an operator see of them."""

    work: UnitOfWorkFactory
    storage: Storage
    leftovers: DanglingFiles
    unpainted: PendingThumbnails
    facts: MembershipStore
    clock: MovedClock
    events: Callable[[], Awaitable[list[str]]]
    rows: Callable[[], Awaitable[int]]
    send: Callable[[Upload, bytes], Awaitable[int]]
    read: Callable[[str], Awaitable[bytes | None]]
    objects: Callable[[], list[str]]
    """Everything in the bucket, and every upload in parts that was not finished."""


def memory() -> Outside:
    """The twins."""
    store, clock = Store(), MovedClock()
    storage = MemoryStorage(clock)

    async def events() -> list[str]:
        return [told.kind.name for told in store.outbox]

    async def rows() -> int:
        return len(store.files)

    async def send(upload: Upload, body: bytes) -> int:
        return storage.send(upload, body)

    async def read(url: str) -> bytes | None:
        return storage.read(url)

    def objects() -> list[str]:
        return sorted([*storage.objects, *(key for key, _ in storage.parts)])

    return Outside(
        work=MemoryUnitOfWorkFactory(store, clock),
        storage=storage,
        leftovers=MemoryDanglingFiles(store),
        unpainted=MemoryPendingThumbnails(store),
        facts=MemoryMembershipStore(store),
        clock=clock,
        events=events,
        rows=rows,
        send=send,
        read=read,
        objects=objects,
    )


class Sketcher:
    """Makes thumbnails of whatever it gets."""

    def __init__(self) -> None:
        self.painted = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Nobody waits."""
        yield

    @asynccontextmanager
    async def desk(self, size: int) -> AsyncIterator[IO[bytes]]:
        """Room for anything."""
        yield BytesIO()

    async def paint(self, image: IO[bytes]) -> dict[int, bytes]:
        """As many as there are sizes."""
        self.painted += 1
        return {size: b"%d" % size for size in THUMBNAIL_SIZES}


class Form:
    """A file that comes in by a form; `meanwhile` happens before each piece."""

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
        """The next bytes."""
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

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.clock, self.storage = outside.clock, outside.storage
        self.server = ServerService()
        self.painter = Sketcher()
        self.learn = MembershipResolver(self.server, outside.facts, SystemClock())
        self.hear = hear(outside.facts, outside.clock)
        self.ada, self.ben, self.eve = IDS.new(), IDS.new(), IDS.new()
        tools = Dependencies(
            work=outside.work,
            storage=outside.storage,
            sniffer=PureMagic(),
            learn=self.learn,
            allowance=ALLOWANCE,
            thumbnails=MakeThumbnails(
                outside.work, outside.storage, self.painter, outside.clock, ALLOWANCE.file_max_bytes
            ),
            lives=UrlTtl(LIFE_S, LIFE_S),
            clock=outside.clock,
            ids=IDS,
        )
        self.inbound = Inbound(tools)
        self.receiving = ReceiveUpload(
            tools.work, tools.storage, tools.sniffer, ALLOWANCE, PartLimits(PART, LIFE_S), tools.clock, IDS
        )

    async def begin(self) -> None:
        """Who is where."""
        self.channel, made = self.server.add_channel()
        for event in (made, self.server.join(self.ada), self.server.join(self.ben, Role.MODERATOR)):
            await self.hear(event)

    async def create(self, size: int = 3, key: str | None = None, **changes: Any) -> NewFile:
        """Announced by Ada."""
        asked = {
            "channel_id": self.channel,
            "profile_id": self.ada,
            "name": "tea.txt",
            "size": size,
            "content_type": "text/plain",
        }
        request = CreateFile(**{**asked, **changes})
        return await self.inbound.create(request, _call(FILE_CREATE, request, key=key))

    async def put(self, made: NewFile, body: bytes = b"tea") -> int:
        """Sent to the address that came with it; gives the status."""
        return await self.outside.send(made.upload, body)

    async def complete(
        self,
        file_id: UUID,
        profile_id: UUID | None = None,
        key: str | None = None,
        call_id: str | None = None,
    ) -> File:
        """Completed."""
        request = OfFile(file_id=file_id, profile_id=profile_id or self.ada)
        return await self.inbound.complete(request, _call(FILE_COMPLETE, request, key=key, call_id=call_id))

    async def share(self, body: bytes = b"tea", **changes: Any) -> File:
        """All of it."""
        made = await self.create(len(body), **changes)
        assert await self.put(made, body) == 200
        return await self.complete(made.file.id)

    async def receive(self, form: Form, key: str | None = None) -> File:
        """Streamed by Ada."""
        call = None if key is None else _call(FILE_UPLOAD, None, key=key)

        async def admitted(work: Callable[[], Awaitable[None]]) -> None:
            asker = AccessQuery(form.channel_id, self.ada, now_ms() + 10_000, "the correlation id")
            await with_fresh_membership(self.learn, asker, work)

        return await self.receiving.receive(form, self.ada, admitted, call)

    async def delete(self, file_id: UUID, profile_id: UUID | None = None, call_id: str = "call") -> None:
        """Deleted."""
        request = OfFile(file_id=file_id, profile_id=profile_id or self.ada)
        await self.inbound.delete(request, _call(FILE_DELETE, request, call_id=call_id))

    async def get(self, file_id: UUID, profile_id: UUID) -> File:
        """What somebody sees of it."""
        request = OfFile(file_id=file_id, profile_id=profile_id)
        return await self.inbound.get(request, _call(FILE_GET, request))

    async def download(self, file_id: UUID, profile_id: UUID) -> bytes | None:
        """Its bytes."""
        request = DownloadFile(file_id=file_id, profile_id=profile_id)
        location = await self.inbound.download(request, _call(FILE_DOWNLOAD, request))
        return await self.outside.read(location.url)

    async def thumbnail(self, file_id: UUID, profile_id: UUID) -> bytes | None:
        """Its smallest picture."""
        request = GetThumbnail(file_id=file_id, profile_id=profile_id, size=96)
        location = await self.inbound.thumbnail(request, _call(FILE_THUMBNAIL, request))
        return await self.outside.read(location.url)

    async def describe(self, *file_ids: UUID) -> list[UUID]:
        """What Ada could attach to a message."""
        request = DescribeFiles(channel_id=self.channel, profile_id=self.ada, file_ids=list(file_ids))
        found = await self.inbound.describe(request, _call(FILE_DESCRIBE, request))
        return [each.id for each in found.items]

    async def sweep(self) -> None:
        """Both jobs, once."""
        await sweep_uploads(self.outside.leftovers, self.clock)
        await purge_bytes(self.outside.leftovers, self.storage, self.clock, WRITES_END)

    async def pass_by(self, passed: timedelta) -> None:
        """Some time, and a sweep."""
        self.clock.ahead += passed
        await self.sweep()

    async def usage(self) -> Usage:
        """What Ada's files take."""
        async with self.outside.work.transaction() as unit:
            return await unit.lock_usage(self.ada)

    async def left(self) -> tuple[Usage, int, list[str]]:
        """What Ada's files take, how many rows there are, and what is in the bucket."""
        return await self.usage(), await self.outside.rows(), self.outside.objects()


NOTHING = (Usage(0, 0), 0, list[str]())
EXPIRED = timedelta(seconds=LIFE_S + 1)


async def refused(work: Awaitable[Any]) -> str:
    """The code of the error that something is answered with."""
    try:
        answer = await work
    except ServiceError as error:
        return error.kind.code
    raise AssertionError(f"it was answered with {answer}")


def _call(operation: Operation, request: Any, *, call_id: str | None = None, key: str | None = None) -> Call:
    return Call(
        operation=operation,
        correlation_id="the correlation id",
        call_id=call_id or str(IDS.new()),
        deadline_ms=now_ms() + 10_000,
        idempotency_key=key,
        body=msgspec.json.encode(request),
    )
