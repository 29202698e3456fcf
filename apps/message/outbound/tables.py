"""The schema of the message service.

Each key and unique constraint of what grows with the messages begins with the channel's id, so that the
tables can be spread over several Postgres servers by it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.contracts.fields import ChannelType, Role
from shared.kit.ledger import requests_table
from shared.kit.outbox import outbox_tables

_NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}
metadata = MetaData(naming_convention=_NAMES)
_TIME = DateTime(timezone=True)
_TO_PURGE = text("deleted_at IS NOT NULL AND purged_at IS NULL")


def _one_of(column: str, values: type[Role] | type[ChannelType]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Tables of this service alone."""


class ServerRow(Base, table=True):
    """A server that was heard of; facts about it take turns by locking this row. A tombstone stays."""

    __tablename__ = "servers"
    __table_args__ = (Index("servers_to_purge", "id", postgresql_where=_TO_PURGE),)

    id: UUID = Field(primary_key=True)
    revision: int = Field(sa_type=BigInteger)
    deleted_at: datetime | None = Field(sa_type=_TIME)
    purged_at: datetime | None = Field(sa_type=_TIME)


class ChannelRow(Base, table=True):
    """A channel, alive or its tombstone. Whoever changes its messages locks this row first."""

    __tablename__ = "channels"
    __table_args__ = (
        _one_of("type", ChannelType),
        CheckConstraint("type IS NOT NULL OR deleted_at IS NOT NULL", name="alive"),
        Index("channels_of_server", "server_id"),
        Index("channels_to_purge", "id", postgresql_where=_TO_PURGE),
        # Every batch of messages updates rows here: room in the page keeps those updates off the indexes.
        {
            "postgresql_with": {
                "fillfactor": 50,
                "autovacuum_vacuum_scale_factor": 0,
                "autovacuum_vacuum_threshold": 1000,
            }
        },
    )

    id: UUID = Field(primary_key=True)
    server_id: UUID
    type: str | None = Field(sa_type=Text)
    revision: int = Field(sa_type=BigInteger)
    last_sequence: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    messages_revision: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    deleted_at: datetime | None = Field(sa_type=_TIME)
    purged_at: datetime | None = Field(sa_type=_TIME)


class MemberRow(Base, table=True):
    """Our copy of a membership as of a revision of its server; without a role it is a tombstone."""

    __tablename__ = "members"
    __table_args__ = (_one_of("role", Role),)

    server_id: UUID = Field(primary_key=True)
    profile_id: UUID = Field(primary_key=True)
    role: str | None = Field(sa_type=Text)
    revision: int = Field(sa_type=BigInteger)


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


outbox_tables(metadata)
requests_table(metadata)
