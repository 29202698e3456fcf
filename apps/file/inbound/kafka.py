"""Operations and events, and the use case of each."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from apps.file.domain.files import Allowance, FileRecord, file_not_found
from apps.file.ports import Sniffer, Storage, UnitOfWorkFactory
from apps.file.usecases.complete_file import complete_file
from apps.file.usecases.create_file import address_file, create_file
from apps.file.usecases.delete_file import delete_file
from apps.file.usecases.describe_files import describe_files
from apps.file.usecases.download_file import download_file
from apps.file.usecases.get_file import get_file
from apps.file.usecases.get_thumbnail import get_thumbnail
from apps.file.usecases.make_thumbnails import MakeThumbnails
from shared.contracts.clock import Clock, Ids
from shared.contracts.errors import CHANNEL_NOT_FOUND, ServiceError
from shared.contracts.event import FILE_COMPLETED, Event
from shared.contracts.file import (
    FILE_COMPLETE,
    FILE_CREATE,
    FILE_DELETE,
    FILE_DESCRIBE,
    FILE_DOWNLOAD,
    FILE_GET,
    FILE_THUMBNAIL,
    Attachments,
    CreateFile,
    DescribeFiles,
    DownloadFile,
    File,
    FileLocation,
    GetThumbnail,
    NewFile,
    OfFile,
)
from shared.kit.rpc.handlers import HandlerRegistry
from shared.kit.wire.call import Call
from shared.membership.access import MembershipUnknown
from shared.membership.apply_event import apply_event
from shared.membership.ports import MembershipStore
from shared.membership.resolver import AccessQuery, MembershipResolver, with_fresh_membership

T = TypeVar("T")


class UrlTtl(Struct, frozen=True):
    """How long addresses are good, in seconds."""

    upload_s: int
    download_s: int


class Dependencies(Struct, frozen=True, kw_only=True, eq=False):
    """What the use cases work with."""

    work: UnitOfWorkFactory
    storage: Storage
    sniffer: Sniffer
    learn: MembershipResolver
    allowance: Allowance
    thumbnails: MakeThumbnails
    lives: UrlTtl
    clock: Clock
    ids: Ids


class Inbound:
    """What the file service handlers over Kafka."""

    def __init__(self, tools: Dependencies) -> None:
        self._tools = tools

    def register(self, handlers: HandlerRegistry) -> None:
        """Say who handlers what."""
        handlers.register(FILE_CREATE, self.create)
        handlers.register(FILE_COMPLETE, self.complete)
        handlers.register(FILE_GET, self.get)
        handlers.register(FILE_DOWNLOAD, self.download)
        handlers.register(FILE_THUMBNAIL, self.thumbnail)
        handlers.register(FILE_DELETE, self.delete)
        handlers.register(FILE_DESCRIBE, self.describe)

    async def create(self, request: CreateFile, call: Call) -> NewFile:
        """Announce a file. The same request again finds the same file, and its address is signed anew."""
        tools, life_s = self._tools, self._tools.lives.upload_s

        async def work() -> File:
            return await tools.work.once(
                call,
                request.profile_id,
                lambda unit: create_file(request, unit, tools.allowance, tools.clock, tools.ids, life_s),
            )

        asker = AccessQuery(request.channel_id, request.profile_id, call.deadline_ms, call.correlation_id)
        file = await with_fresh_membership(tools.learn, asker, work)
        return await address_file(file, request.sha256, tools.storage, tools.clock, life_s)

    async def complete(self, request: OfFile, call: Call) -> File:
        """Complete a file. The same request again is answered the same."""
        tools = self._tools

        async def work() -> File:
            return await complete_file(request, call, tools.work, tools.storage, tools.sniffer, tools.clock)

        return await self._informed(request.file_id, request.profile_id, call, work)

    async def get(self, request: OfFile, call: Call) -> File:
        """Read about a file."""
        return (await self._seen(request, call)).file

    async def download(self, request: DownloadFile, call: Call) -> FileLocation:
        """Where the bytes of a file can be had."""
        tools, kept = self._tools, await self._seen(request, call)
        inline = request.inline != "false"
        return await download_file(kept, tools.storage, tools.clock, tools.lives.download_s, inline=inline)

    async def thumbnail(self, request: GetThumbnail, call: Call) -> FileLocation:
        """Where a thumbnail can be had."""
        tools, kept = self._tools, await self._seen(request, call)
        return await get_thumbnail(
            kept, request.size, tools.thumbnails, tools.storage, tools.clock, tools.lives.download_s
        )

    async def delete(self, request: OfFile, call: Call) -> None:
        """Delete a file."""
        tools = self._tools

        async def work() -> None:
            async with tools.work.transaction() as unit:
                await delete_file(request.file_id, request.profile_id, call.call_id, unit, tools.clock)

        await self._informed(request.file_id, request.profile_id, call, work)

    async def describe(self, request: DescribeFiles, call: Call) -> Attachments:
        """Files that their owner wants to attach."""
        async with self._tools.work.snapshot() as unit:
            return await describe_files(request, unit)

    async def _seen(self, request: OfFile | DownloadFile | GetThumbnail, call: Call) -> FileRecord:
        async def work() -> FileRecord:
            async with self._tools.work.snapshot() as unit:
                return await get_file(request.file_id, request.profile_id, unit)

        return await self._informed(request.file_id, request.profile_id, call, work)

    async def _informed(
        self, file_id: UUID, profile_id: UUID, call: Call, work: Callable[[], Awaitable[T]]
    ) -> T:
        """Do `work`; when our copy of the members does not say yes, ask about the file's channel."""

        try:
            return await work()
        except MembershipUnknown:
            channel_id = await self._channel_of(file_id)
        asker = AccessQuery(channel_id, profile_id, call.deadline_ms, call.correlation_id)
        try:
            return await with_fresh_membership(self._tools.learn, asker, work)
        except ServiceError as error:
            raise file_not_found() if error.kind is CHANNEL_NOT_FOUND else error from None

    async def _channel_of(self, file_id: UUID) -> UUID:
        async with self._tools.work.snapshot() as unit:
            kept = await unit.file(file_id)
        if kept is None:
            raise file_not_found()
        return kept.file.channel_id


def hear(facts: MembershipStore, clock: Clock) -> Callable[[Event], Awaitable[None]]:
    """What is done with each event of the server service."""

    async def keep(event: Event) -> None:
        await apply_event(event, facts, clock)

    return keep


def hear_own(work: UnitOfWorkFactory, thumbnails: MakeThumbnails) -> Callable[[Event], Awaitable[None]]:
    """What is done with each event of our own: a hint, for what is missed is found by `make_due`."""

    async def look(event: Event) -> None:
        if event.type != FILE_COMPLETED.name:
            return
        file = msgspec.json.decode(event.data, type=File)
        async with work.snapshot() as unit:
            kept = await unit.file(file.id)
        if kept is not None and not kept.deleted:
            thumbnails.begin(kept)

    return look
