"""The file service: what it is made of, from top to bottom."""

import asyncio
import os
from datetime import timedelta

from prometheus_client import REGISTRY

from apps.file.inbound.http import Bounds, FileApp, UploadAuth
from apps.file.inbound.http_listener import HttpListener, edge_of, limits_of
from apps.file.inbound.kafka import Dependencies, Inbound, UrlTtl, hear, hear_own
from apps.file.outbound.content_types import PureMagic
from apps.file.outbound.dangling_files import SqlDanglingFiles
from apps.file.outbound.pending_thumbnails import SqlPendingThumbnails
from apps.file.outbound.s3_client import S3
from apps.file.outbound.storage import S3Storage
from apps.file.outbound.thumbnails import ThumbnailWorkers
from apps.file.outbound.unit_of_work import SqlFileUnitOfWorkFactory
from apps.file.settings import FileSettings
from apps.file.usecases.make_thumbnails import MakeThumbnails
from apps.file.usecases.receive_upload import PartLimits, ReceiveUpload
from apps.file.usecases.sweep import purge_bytes, sweep_uploads
from shared.edge.access_log import AccessLog, write_out
from shared.edge.auth.token_verification import TokenVerification
from shared.edge.client_address.internal_hop import InternalHop
from shared.edge.client_address.trusted_proxies import TrustedProxies
from shared.edge.http_metrics import HttpMetrics
from shared.edge.uploads.body_reader import MinimumRate
from shared.kit.config.settings import load
from shared.kit.database.database import Database
from shared.kit.database.idempotency import sweep_requests
from shared.kit.kafka.options import kafka_options
from shared.kit.rpc.client import RpcClient
from shared.kit.runtime.service import run_service
from shared.kit.runtime.service_context import ServiceContext
from shared.kit.runtime.startup import retry_until_available
from shared.kit.security.record_signatures import signatures_of
from shared.membership.adapters.directory import RpcMembershipDirectory
from shared.membership.adapters.projection import SqlMembershipStore
from shared.membership.resolver import MembershipResolver

SWEEP_REQUESTS_S = 60


async def build(context: ServiceContext[FileSettings]) -> None:
    """Put the service together; nothing is consumed before this is done."""
    database = await context.open_database(context.settings.file_database_url)
    await context.start_outbox(database)
    storage = await open_storage(context)
    facts = SqlMembershipStore(database)
    client = await context.open_client()
    tools = tools_of(
        context, database, storage, MembershipResolver(RpcMembershipDirectory(client), facts, context.clock)
    )
    inbound = Inbound(tools)
    inbound.register(context.handlers)
    context.subscribe(("server-events",), hear(facts, context.clock))
    context.subscribe(("file-events",), hear_own(tools.work, tools.thumbnails))
    open_port(context, tools, inbound, client)
    sweep(context, database, tools)


async def open_storage(context: ServiceContext[FileSettings]) -> S3Storage:
    """The bucket, as soon as S3 is there."""
    # boto3 reads descriptions of services from the disk: the loop is not to wait for it.
    storage = await asyncio.to_thread(S3Storage, s3_of(context.settings))
    context.on_stop(storage.close)
    await retry_until_available(context.health.component("s3 opening"), storage.open)
    context.health.probe("s3", storage.open)
    return storage


def tools_of(
    context: ServiceContext[FileSettings],
    database: Database,
    storage: S3Storage,
    resolver: MembershipResolver,
) -> Dependencies:
    """What the use cases work with."""
    settings = context.settings
    work = SqlFileUnitOfWorkFactory(database, context.clock, context.ids)
    painter = ThumbnailWorkers(settings.file_thumbnail_workers, settings.file_thumbnail_timeout_ms / 1000)
    tools = Dependencies(
        work=work,
        storage=storage,
        sniffer=PureMagic(),
        resolver=resolver,
        allowance=settings.allowance(),
        thumbnails=MakeThumbnails(work, storage, painter, context.clock, settings.file_thumbnail_max_bytes),
        lives=UrlTtl(settings.file_upload_url_s, settings.file_download_url_s),
        clock=context.clock,
        ids=context.ids,
    )
    context.on_stop(tools.thumbnails.close)
    return tools


def open_port(
    context: ServiceContext[FileSettings], tools: Dependencies, inbound: Inbound, client: RpcClient
) -> None:
    """Our own HTTP port, for files that are streamed."""
    settings = context.settings
    pace = PartLimits(settings.file_part_bytes, settings.file_upload_timeout_ms / 1000)
    receive = ReceiveUpload(
        tools.work, tools.storage, tools.sniffer, tools.allowance, pace, tools.clock, tools.ids
    )
    signatures = signatures_of(settings)
    keeper = TokenVerification(
        settings, client, context.health, kafka_options(settings), signatures, tools.clock
    )
    context.run_forever(keeper.follow)
    proxies, internal_hop = (
        TrustedProxies(settings.trusted_proxies, settings.proxy_header),
        InternalHop(signatures),
    )
    guard = UploadAuth(keeper.authenticator, limits_of(settings, proxies), internal_hop)
    door = FileApp(guard, tools.resolver, receive, inbound, bounds_of(settings))
    traffic = HttpMetrics()
    REGISTRY.register(traffic)
    access_log = AccessLog(write_out, "file", context.instance) if settings.access_log else None
    port = HttpListener(
        edge_of(door.app(), settings, proxies, internal_hop, traffic, access_log),
        access_log,
        (settings.file_host, settings.file_port),
        context.health.component("http"),
        upload_timeout_ms=settings.file_upload_timeout_ms,
        drain_timeout_ms=settings.drain_timeout_ms,
    )
    context.on_stop(port.close)
    port.open()


def sweep(context: ServiceContext[FileSettings], database: Database, tools: Dependencies) -> None:
    """What is done again and again."""
    settings, clock = context.settings, context.clock
    leftovers = SqlDanglingFiles(database)
    context.every(settings.file_sweep_s, lambda: sweep_uploads(leftovers, clock))
    writes_end = timedelta(seconds=settings.file_writes_end_s)
    context.every(settings.file_sweep_s, lambda: purge_bytes(leftovers, tools.storage, clock, writes_end))
    unpainted = SqlPendingThumbnails(database)
    context.every(settings.file_sweep_s, lambda: tools.thumbnails.make_due(unpainted))
    context.every(SWEEP_REQUESTS_S, lambda: sweep_requests(database, clock))


def s3_of(settings: FileSettings) -> S3:
    """The bucket of these settings."""
    return S3(
        endpoint_url=settings.s3_endpoint_url,
        public_url=settings.s3_public_url or settings.s3_endpoint_url,
        bucket=settings.s3_bucket,
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key,
        threads=settings.s3_threads,
    )


def bounds_of(settings: FileSettings) -> Bounds:
    """The bounds of streamed uploads."""
    return Bounds(
        file_max_bytes=settings.file_max_bytes,
        uploads_max=settings.file_uploads_max,
        uploads_person_max=settings.file_uploads_person_max,
        upload_timeout_s=settings.file_upload_timeout_ms / 1000,
        tempo=MinimumRate(
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
