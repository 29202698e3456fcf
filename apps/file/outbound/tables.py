"""Schema of the file service."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, SmallInteger, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from apps.file.domain.thumbnails import TRIES_MAX
from shared.contracts.file import FileStatus
from shared.kit.database.idempotency import requests_table
from shared.kit.database.schema import new_metadata, one_of
from shared.kit.outbox.outbox import outbox_tables
from shared.membership.adapters.tables import membership_tables

metadata = new_metadata()
_TIME = DateTime(timezone=True)
UPLOAD_PENDING = text("status = 'PENDING' AND deleted_at IS NULL")
THUMBNAILS_PENDING = text(
    f"thumbnails IS NULL AND status = 'COMPLETE' AND deleted_at IS NULL AND thumbnail_tries < {TRIES_MAX:d}"
)
THUMBNAILS_SINCE = text("coalesce(thumbnails_after, created_at)")
"""The due time of the next try to make thumbnails. This and the conditions are texts, so that a query has
literally those of its index: the planner compares the two.
"""


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Base of the tables that only this service has."""


class UsageRow(Base, table=True):
    """The usage of a person: all files, including pending ones."""

    __tablename__ = "usage"
    __table_args__ = (CheckConstraint("size >= 0 AND files >= 0", name="counted"),)

    profile_id: UUID = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    files: int = Field(sa_type=BigInteger)


class FileRow(Base, table=True):
    """A file, or the tombstone of one until its bytes are gone and no write to its keys can come."""

    __tablename__ = "files"
    __table_args__ = (
        one_of("status", FileStatus),
        Index("files_of_channel", "channel_id", postgresql_where=text("deleted_at IS NULL")),
        Index(
            "files_awaited",
            "upload_until",
            postgresql_where=UPLOAD_PENDING,
        ),
        Index(
            "files_still_charged",
            "upload_until",
            postgresql_where=text("charged AND deleted_at IS NOT NULL"),
        ),
        Index("files_to_purge", "purge_at", postgresql_where=text("purge_at IS NOT NULL")),
        Index("files_to_paint", "profile_id", THUMBNAILS_SINCE, "id", postgresql_where=THUMBNAILS_PENDING),
    )

    id: UUID = Field(primary_key=True)
    channel_id: UUID
    server_id: UUID
    profile_id: UUID
    name: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    content_type: str = Field(sa_type=Text)
    sha256: str | None = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    revision: int = Field(sa_type=BigInteger)
    upload_until: datetime | None = Field(sa_type=_TIME)
    charged: bool
    purge_at: datetime | None = Field(sa_type=_TIME)
    thumbnails: bool | None
    thumbnail_tries: int = Field(sa_type=SmallInteger, sa_column_kwargs={"server_default": text("0")})
    thumbnails_after: datetime | None = Field(sa_type=_TIME)
    created_at: datetime = Field(sa_type=_TIME)
    deleted_at: datetime | None = Field(sa_type=_TIME)
    deleting_call: str | None = Field(sa_type=Text)


SERVERS, CHANNELS, MEMBERS = membership_tables(metadata)
outbox_tables(metadata)
requests_table(metadata)
