"""The file service's composition root."""

import asyncio
import os
from datetime import timedelta
from functools import partial

from apps.file.inbound.http import UploadBounds
from apps.file.inbound.http_listener import open_listener
from apps.file.inbound.kafka import (
    Dependencies,
    UrlTtl,
    download,
    on_file_event,
    on_server_event,
    register_operations,
)
from apps.file.outbound.content_types import PuremagicSniffer
from apps.file.outbound.dangling_files import SqlDanglingFiles
from apps.file.outbound.pending_thumbnails import SqlPendingThumbnails
from apps.file.outbound.s3_client import Bucket
from apps.file.outbound.storage import S3Storage
from apps.file.outbound.thumbnails import ProcessRenderer
from apps.file.outbound.unit_of_work import sql_unit_of_work_factory
from apps.file.settings import FileSettings
from apps.file.usecases.make_thumbnails import MakeThumbnails
from apps.file.usecases.receive_upload import ReceiveUpload, UploadLimits
from apps.file.usecases.sweep import purge_bytes, sweep_uploads
from shared.edge.uploads.body_reader import MinimumRate
from shared.kit.config.settings import load
from shared.kit.database.idempotency import sweep_requests
from shared.kit.runtime.service import run_service
from shared.kit.runtime.service_context import ServiceContext
from shared.kit.runtime.startup import retry_until_available
from shared.membership.adapters.directory import RpcMembershipDirectory
from shared.membership.adapters.projection import SqlMembershipStore
from shared.membership.resolver import MembershipResolver

SWEEP_REQUESTS_S = 60


async def build(context: ServiceContext[FileSettings]) -> None:
    """Put the service together; nothing is consumed before this is done."""
    settings, clock, ids = context.settings, context.clock, context.ids
    database = await context.open_database(settings.file_database_url)
    await context.start_outbox(database)
    units = sql_unit_of_work_factory(database, clock, ids)
    dangling, pending = SqlDanglingFiles(database), SqlPendingThumbnails(database)

    # boto3 reads service descriptions from the disk, which would block the event loop.
    storage = await asyncio.to_thread(S3Storage, _bucket(settings))
    context.on_stop(storage.close)
    await retry_until_available(context.health.component("s3 opening"), storage.open)
    context.health.probe("s3", storage.open)

    renderer = ProcessRenderer(settings.file_thumbnail_workers, settings.file_thumbnail_timeout_ms / 1000)
    thumbnails = MakeThumbnails(units, storage, renderer, clock, settings.file_thumbnail_max_bytes)
    context.on_stop(thumbnails.close)

    client = await context.open_client()
    memberships = SqlMembershipStore(database)
    resolver = MembershipResolver(RpcMembershipDirectory(client), memberships, clock)
    sniffer, allowance = PuremagicSniffer(), settings.allowance()
    deps = Dependencies(
        units=units,
        storage=storage,
        sniffer=sniffer,
        resolver=resolver,
        thumbnails=thumbnails,
        clock=clock,
        ids=ids,
        allowance=allowance,
        url_ttl=UrlTtl(settings.file_upload_url_s, settings.file_download_url_s),
    )
    limits = UploadLimits(
        part_bytes=settings.file_part_bytes,
        timeout_s=settings.file_upload_timeout_ms / 1000,
        membership_timeout_s=settings.call_timeout_ms / 1000,
    )
    receive = ReceiveUpload(units, storage, sniffer, resolver, clock, ids, allowance, limits)

    register_operations(context.handlers, deps)
    context.subscribe(("server-events",), on_server_event(memberships, clock))
    context.subscribe(("file-events",), on_file_event(units, thumbnails))
    address = (settings.file_host, settings.file_port)
    open_listener(context, address, client, receive, partial(download, deps), _upload_bounds(settings))

    writes_end = timedelta(seconds=settings.file_writes_end_s)
    context.every(settings.file_sweep_s, lambda: sweep_uploads(dangling, clock))
    context.every(settings.file_sweep_s, lambda: purge_bytes(dangling, storage, clock, writes_end))
    context.every(settings.file_sweep_s, lambda: thumbnails.make_due(pending))
    context.every(SWEEP_REQUESTS_S, lambda: sweep_requests(database, clock))


def _bucket(settings: FileSettings) -> Bucket:
    return Bucket(
        endpoint_url=settings.s3_endpoint_url,
        public_url=settings.s3_public_url or settings.s3_endpoint_url,
        name=settings.s3_bucket,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key,
        threads=settings.s3_threads,
    )


def _upload_bounds(settings: FileSettings) -> UploadBounds:
    return UploadBounds(
        file_max_bytes=settings.file_max_bytes,
        uploads_max=settings.file_uploads_max,
        uploads_person_max=settings.file_uploads_person_max,
        upload_timeout_s=settings.file_upload_timeout_ms / 1000,
        rate=MinimumRate(
            stall_timeout_s=settings.file_stall_timeout_ms / 1000,
            rate_min_bytes_s=settings.upload_rate_min_bytes_s,
            rate_window_s=settings.upload_rate_window_ms / 1000,
        ),
        call_timeout_ms=settings.call_timeout_ms,
    )


def main() -> None:
    """Run until SIGTERM."""
    run_service("file", load(FileSettings, os.environ), build)


if __name__ == "__main__":
    main()
