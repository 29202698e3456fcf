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
_BUSY = {
    # Every batch of messages updates rows here: room in the page keeps those updates off the indexes.
    "fillfactor": 50,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 1000,
}


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Tables of this service alone."""


class MessageRow(Base, table=True):
    """A message, or the tombstone of one: `content` is null. Its channel's lock gives the sequence.

    `content_key` names the key that opens the content; null for one that is stored as it is.
    """

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("(content IS NULL) = (deleted_at IS NOT NULL)", name="tombstone"),
        Index("messages_id", "channel_id", "id", unique=True),
        Index(
            # What tells apart comes before the author: with the author first, a planner without statistics
            # takes messages_request for a nonce as well, and reads all that somebody wrote.
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
    attachments: list[object] | None = Field(sa_type=JSONB)


class DeletedFileRow(Base, table=True):
    """A file that was deleted not long ago: a message that is on its way goes without it."""

    __tablename__ = "deleted_files"
    __table_args__ = (Index("deleted_files_deleted_at", "deleted_at"),)

    id: UUID = Field(primary_key=True)
    deleted_at: datetime = Field(sa_type=_TIME)


# Whoever changes the messages of a channel locks its row first.
membership_tables(
    metadata,
    Column("last_sequence", BigInteger, server_default=text("0"), nullable=False),
    Column("messages_revision", BigInteger, server_default=text("0"), nullable=False),
    postgresql_with=_BUSY,
)
outbox_tables(metadata)
requests_table(metadata)
