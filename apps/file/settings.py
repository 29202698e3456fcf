"""Settings of the file service, in addition to those of every service."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from msgspec import Meta

from apps.file.domain.files import Allowance
from apps.file.domain.types import canonical
from shared.edge.settings import EdgeSettings
from shared.kit.config.settings import Secret

_MIB = 1024 * 1024
_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""RFC 6838, section 4.2; without parameters."""
_TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/quicktime",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg",
    "audio/wav",
    "audio/flac",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/json",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "text/plain",
    "text/csv",
    "text/markdown",
)


class FileSettings(EdgeSettings, frozen=True, kw_only=True):
    """Settings of the file service."""

    redirects_to: ClassVar[tuple[str, ...]] = ("file_public_url", "public_url")
    """The gateway serves the same paths."""

    file_database_url: Annotated[
        Secret, Meta(description="postgresql://user:password@host:port/name of the file service's database")
    ]
    s3_endpoint_url: Annotated[str, Meta(min_length=1, description="Where S3 is")] = "http://127.0.0.1:9000"
    s3_public_url: Annotated[
        str, Meta(description="The address of S3 for clients; empty: S3_ENDPOINT_URL")
    ] = ""
    s3_bucket: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="The bucket; created if it is missing"
        ),
    ] = "concord"
    aws_access_key_id: Annotated[
        str, Meta(description="Empty: whatever boto3 finds, such as the role of the machine")
    ] = ""
    aws_secret_access_key: Annotated[Secret, Meta(description="With AWS_ACCESS_KEY_ID")] = ""
    aws_region: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$", description="The region of the bucket")] = (
        "us-east-1"
    )
    s3_threads: Annotated[int, Meta(ge=1, le=256, description="Calls of S3 at once")] = 16
    file_max_bytes: Annotated[
        int, Meta(ge=1, le=5 * 1024 * _MIB, description="Size of a file; S3 accepts at most 5 GiB at once")
    ] = 25 * _MIB
    file_quota_bytes: Annotated[int, Meta(ge=1, le=2**50, description="All files of a person")] = 1024 * _MIB
    file_quota_files: Annotated[int, Meta(ge=1, le=10_000_000, description="Files of a person")] = 10_000
    file_types: Annotated[tuple[str, ...], Meta(description="Media types that are accepted")] = _TYPES
    file_upload_url_s: Annotated[int, Meta(ge=10, le=86_400, description="Lifetime of upload URLs")] = 900
    file_download_url_s: Annotated[int, Meta(ge=1, le=86_400, description="Lifetime of download URLs")] = 300
    file_writes_end_s: Annotated[
        int,
        Meta(
            ge=600,
            le=604_800,
            description="Time that an upload may continue after its URL expired; "
            "then its key is checked a last time",
        ),
    ] = 3600
    file_part_bytes: Annotated[
        int, Meta(ge=5 * _MIB, le=256 * _MIB, description="Bytes of each streamed upload in memory")
    ] = 5 * _MIB
    file_uploads_max: Annotated[int, Meta(ge=1, le=4096, description="Streamed uploads at once")] = 16
    file_uploads_person_max: Annotated[
        int, Meta(ge=1, le=4096, description="Streamed uploads of one person at once")
    ] = 4
    file_upload_timeout_ms: Annotated[
        int, Meta(ge=1_000, le=86_400_000, description="Time that a streamed upload may take")
    ] = 600_000
    file_stall_timeout_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="Time that a streamed upload may pause")
    ] = 20_000
    file_sweep_s: Annotated[int, Meta(ge=1, le=86_400, description="Pause between two clean-up rounds")] = 10
    file_thumbnail_workers: Annotated[
        int, Meta(ge=1, le=64, description="Processes that make thumbnails")
    ] = 1
    file_thumbnail_timeout_ms: Annotated[
        int, Meta(ge=100, le=30_000, description="Time that the thumbnails of one image may take")
    ] = 8_000
    file_thumbnail_max_bytes: Annotated[
        int, Meta(ge=1, le=2**32, description="The largest image file that thumbnails are made of")
    ] = 25 * _MIB

    def problems(self) -> Iterator[str]:
        """Check that URLs are complete, a key has its secret, types are valid, and related bounds fit."""
        yield from super().problems()
        yield from self._url_problems()
        for media_type in self.file_types:
            if not _TYPE.fullmatch(canonical(media_type)):
                yield f"FILE_TYPES must be media types like image/png, not {media_type[:60]!r}"
        if not self.file_types:
            yield "FILE_TYPES must name at least one media type"
        for less, more in _IN_ORDER:
            if getattr(self, less) > getattr(self, more):
                yield f"{more.upper()} must be at least {less.upper()}"

    def _url_problems(self) -> Iterator[str]:
        if not self.file_database_url.startswith("postgresql://"):
            yield "FILE_DATABASE_URL must be like postgresql://user:password@host:5432/name"
        if ".." in self.s3_bucket:
            yield "S3_BUCKET must not have two dots one after the other"
        for name in ("s3_endpoint_url", "s3_public_url"):
            if (url := getattr(self, name)) and not _is_url(url):
                yield f"{name.upper()} must be like https://s3.example.org"
        if bool(self.aws_access_key_id) != bool(self.aws_secret_access_key):
            yield "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be given together"

    def allowance(self) -> Allowance:
        """Return the bounds of a person's files."""
        return Allowance(
            file_max_bytes=self.file_max_bytes,
            quota_bytes=self.file_quota_bytes,
            quota_files=self.file_quota_files,
            types=frozenset(map(canonical, self.file_types)),
        )


_IN_ORDER = (
    ("file_max_bytes", "file_quota_bytes"),
    ("file_uploads_person_max", "file_uploads_max"),
    ("file_stall_timeout_ms", "file_upload_timeout_ms"),
)


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
