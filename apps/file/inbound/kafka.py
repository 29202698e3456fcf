"""Operations and events of the file service, and the use case of each."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from apps.file.domain.files import Allowance, FileRecord, file_not_found
from apps.file.ports import Sniffer, Storage, UnitOfWorkFactory
from apps.file.usecases.complete_file import complete_file
from apps.file.usecases.create_file import create_file, sign_upload
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
    """The lifetimes of presigned URLs, in seconds."""

    upload_s: int
    download_s: int


class Dependencies(Struct, frozen=True, kw_only=True, eq=False):
    """The ports and the policy of the use cases."""

    units: UnitOfWorkFactory
    storage: Storage
    sniffer: Sniffer
    resolver: MembershipResolver
    thumbnails: MakeThumbnails
    clock: Clock
    ids: Ids
    allowance: Allowance
    url_ttl: UrlTtl


def register_operations(handlers: HandlerRegistry, deps: Dependencies) -> None:
    """Register a handler for every operation of the file service."""
    handlers.register(FILE_CREATE, partial(_create, deps))
    handlers.register(FILE_COMPLETE, partial(_complete, deps))
    handlers.register(FILE_GET, partial(_get, deps))
    handlers.register(FILE_DOWNLOAD, partial(download, deps))
    handlers.register(FILE_THUMBNAIL, partial(_thumbnail, deps))
    handlers.register(FILE_DELETE, partial(_delete, deps))
    handlers.register(FILE_DESCRIBE, partial(_describe, deps))


def on_server_event(store: MembershipStore, clock: Clock) -> Callable[[Event], Awaitable[None]]:
    """Return the handler of `server-events`: it keeps our copy of the memberships up to date."""

    async def handle(event: Event) -> None:
        await apply_event(event, store, clock)

    return handle


def on_file_event(units: UnitOfWorkFactory, thumbnails: MakeThumbnails) -> Callable[[Event], Awaitable[None]]:
    """Return the handler of our own `file-events`: a hint to make thumbnails. `make_due` finds the rest."""

    async def handle(event: Event) -> None:
        if event.type != FILE_COMPLETED.name:
            return
        completed = msgspec.json.decode(event.data, type=File)
        async with units.snapshot() as unit:
            file = await unit.find(completed.id)
        if file is not None and not file.deleted:
            thumbnails.begin(file)

    return handle


async def download(deps: Dependencies, request: DownloadFile, call: Call) -> FileLocation:
    """Return the URL of a file's bytes."""
    file, inline = await _visible(deps, request, call), request.inline != "false"
    return await download_file(file, deps.storage, deps.clock, deps.url_ttl.download_s, inline=inline)


async def _create(deps: Dependencies, request: CreateFile, call: Call) -> NewFile:
    """Announce a file. The same request finds the same file again, with a freshly signed URL."""
    ttl_s = deps.url_ttl.upload_s

    async def work() -> File:
        return await deps.units.run_once(
            call,
            request.profile_id,
            lambda unit: create_file(request, unit, deps.clock, deps.ids, deps.allowance, ttl_s),
        )

    query = AccessQuery(request.channel_id, request.profile_id, call.deadline_ms, call.correlation_id)
    file = await with_fresh_membership(deps.resolver, query, work)
    return await sign_upload(file, request.sha256, deps.storage, deps.clock, ttl_s)


async def _complete(deps: Dependencies, request: OfFile, call: Call) -> File:
    async def work() -> File:
        return await complete_file(request, call, deps.units, deps.storage, deps.sniffer, deps.clock)

    return await _with_membership_of(request.file_id, request.profile_id, call, deps, work)


async def _get(deps: Dependencies, request: OfFile, call: Call) -> File:
    return (await _visible(deps, request, call)).file


async def _thumbnail(deps: Dependencies, request: GetThumbnail, call: Call) -> FileLocation:
    file = await _visible(deps, request, call)
    return await get_thumbnail(
        file, request.size, deps.thumbnails, deps.storage, deps.clock, deps.url_ttl.download_s
    )


async def _delete(deps: Dependencies, request: OfFile, call: Call) -> None:
    async def work() -> None:
        async with deps.units.transaction() as unit:
            await delete_file(request, unit, call, deps.clock)

    await _with_membership_of(request.file_id, request.profile_id, call, deps, work)


async def _describe(deps: Dependencies, request: DescribeFiles, call: Call) -> Attachments:
    async with deps.units.snapshot() as unit:
        return await describe_files(request, unit)


async def _visible(
    deps: Dependencies, request: OfFile | DownloadFile | GetThumbnail, call: Call
) -> FileRecord:
    async def work() -> FileRecord:
        async with deps.units.snapshot() as unit:
            return await get_file(request, unit)

    return await _with_membership_of(request.file_id, request.profile_id, call, deps, work)


async def _with_membership_of(
    file_id: UUID, profile_id: UUID, call: Call, deps: Dependencies, work: Callable[[], Awaitable[T]]
) -> T:
    """Do `work`; if our copy of the members does not allow it, ask about the file's channel and repeat it."""

    try:
        return await work()
    except MembershipUnknown:
        async with deps.units.snapshot() as unit:
            file = await unit.find(file_id)
    if file is None:
        raise file_not_found()
    query = AccessQuery(file.file.channel_id, profile_id, call.deadline_ms, call.correlation_id)
    try:
        return await with_fresh_membership(deps.resolver, query, work)
    except ServiceError as error:
        raise file_not_found() if error.code is CHANNEL_NOT_FOUND else error from None
