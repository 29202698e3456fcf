"""The schema of the message service.

Each key and unique constraint of what grows with the messages begins with the channel's id, so that the
tables can be spread over several Postgres servers by it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.kit.database.idempotency import requests_table
from shared.kit.database.schema import new_metadata
from shared.kit.outbox.outbox import outbox_tables
from shared.membership.adapters.tables import membership_tables

metadata = new_metadata()
_TIME = DateTime(timezone=True)
_FREQUENTLY_UPDATED = {
    # Every batch of messages updates rows here: room in the page keeps those updates off the indexes.
    "fillfactor": 50,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 1000,
}


_registry = registry(metadata=metadata)


class Base(SQLModel, registry=_registry):
    """The base of this service's own tables."""


class MessageRow(Base, table=True):
    """A message, or the tombstone of one: `content` is null. Its channel's lock gives the sequence.

    `content_key` is the id of the key that decrypts the content; null for one that is stored as it is.
    """

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("(content IS NULL) = (deleted_at IS NOT NULL)", name="tombstone"),
        Index("messages_id", "channel_id", "id", unique=True),
        Index(
            # The most selective column comes before the author: with the author first, a planner without
            # statistics uses messages_request for a nonce as well, and reads all messages of the author.
            "messages_nonce",
            "channel_id",
            "nonce",
            "profile_id",
            unique=True,
            postgresql_where=text("nonce IS NOT NULL"),
        ),
        Index(
            "messages_attachments",
            "attachments",
            postgresql_using="gin",
            postgresql_ops={"attachments": "jsonb_path_ops"},
            postgresql_where=text("attachments IS NOT NULL"),
        ),
        Index("messages_request", "channel_id", "request_key", "profile_id", unique=True),
    )

    channel_id: UUID = Field(primary_key=True)
    sequence: int = Field(sa_type=BigInteger, primary_key=True, sa_column_kwargs={"autoincrement": False})
    id: UUID
    profile_id: UUID
    server_id: UUID
    content: str | None = Field(sa_type=Text)
    content_key: str | None = Field(sa_type=Text)
    nonce: str | None = Field(sa_type=Text)
    request_key: str = Field(sa_type=Text)
    fingerprint: bytes | None = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=_TIME)
    edited_at: datetime | None = Field(sa_type=_TIME)
    deleted_at: datetime | None = Field(sa_type=_TIME)
    deleting_call: str | None = Field(sa_type=Text)
    attachments: list[object] | None = Field(sa_type=JSONB(none_as_null=True))


class DeletedFileRow(Base, table=True):
    """A file that was deleted recently: sends in progress leave it out."""

    __tablename__ = "deleted_files"
    __table_args__ = (Index("deleted_files_deleted_at", "deleted_at"),)

    id: UUID = Field(primary_key=True)
    deleted_at: datetime = Field(sa_type=_TIME)


_servers, _channels, _members = membership_tables(
    metadata,
    Column("last_sequence", BigInteger, server_default=text("0"), nullable=False),
    Column("messages_revision", BigInteger, server_default=text("0"), nullable=False),
    postgresql_with=_FREQUENTLY_UPDATED,
)
outbox_tables(metadata)
requests_table(metadata)


class ServerRow:
    """A server, or the tombstone of one."""

    id: UUID
    deleted_at: datetime | None
    purged_at: datetime | None


class ChannelRow:
    """A channel, or the tombstone of one. A transaction that changes its messages locks this row first."""

    id: UUID
    server_id: UUID
    type: str | None
    last_sequence: int
    messages_revision: int
    deleted_at: datetime | None
    purged_at: datetime | None


class MemberRow:
    """A member of a server; one without a role is a tombstone."""

    server_id: UUID
    profile_id: UUID
    role: str | None


# These tables are declared by the membership projection; the classes give their columns types.
for _row, _table in ((ServerRow, _servers), (ChannelRow, _channels), (MemberRow, _members)):
    _registry.map_imperatively(_row, _table)
