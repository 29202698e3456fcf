"""Tables of the server service. Each index serves one list, lookup or sweep."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.contracts.fields import ChannelType, Role
from shared.kit.database.idempotency import requests_table
from shared.kit.database.schema import new_metadata, one_of
from shared.kit.outbox.outbox import outbox_tables

metadata = new_metadata()
_TIME = DateTime(timezone=True)


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Base of this service's tables: they have a metadata of their own."""


class ServerRow(Base, table=True):
    """A server. Lock this row before changing the server, its channels or its members."""

    __tablename__ = "servers"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
        CheckConstraint("channel_count >= 0 AND member_count >= 0", name="counts"),
        Index("servers_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_type=Text)
    image_url: str | None = Field(sa_type=Text)
    invite_code: str = Field(sa_type=Text, unique=True)
    profile_id: UUID
    revision: int = Field(sa_type=BigInteger)
    channel_count: int
    member_count: int
    created_at: datetime = Field(sa_type=_TIME)
    updated_at: datetime = Field(sa_type=_TIME)
    deleted_at: datetime | None = Field(sa_type=_TIME)


class ChannelRow(Base, table=True):
    """A channel."""

    __tablename__ = "channels"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
        one_of("type", ChannelType),
        Index("channels_of_server", "server_id", "created_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_type=Text)
    type: str = Field(sa_type=Text)
    server_id: UUID = Field(foreign_key="servers.id")
    profile_id: UUID
    created_at: datetime = Field(sa_type=_TIME)
    updated_at: datetime = Field(sa_type=_TIME)


class MemberRow(Base, table=True):
    """A membership."""

    __tablename__ = "members"
    __table_args__ = (
        one_of("role", Role),
        Index("members_of_server", "server_id", "joined_at", "profile_id"),
        Index("members_of_profile", "profile_id", "joined_at", "server_id"),
    )

    server_id: UUID = Field(primary_key=True, foreign_key="servers.id")
    profile_id: UUID = Field(primary_key=True)
    role: str = Field(sa_type=Text)
    joined_at: datetime = Field(sa_type=_TIME)


class InviteRow(Base, table=True):
    """An invite. A server's standing code is stored in `ServerRow`."""

    __tablename__ = "invites"
    __table_args__ = (
        CheckConstraint("uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name="uses"),
        Index("invites_of_server", "server_id", "created_at", "id"),
        Index("invites_expired", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("invites_used_up", "used_at", postgresql_where=text("uses >= max_uses")),
    )

    id: UUID = Field(primary_key=True)
    code: str = Field(sa_type=Text, unique=True)
    server_id: UUID = Field(foreign_key="servers.id")
    profile_id: UUID
    created_at: datetime = Field(sa_type=_TIME)
    expires_at: datetime | None = Field(sa_type=_TIME)
    uses: int
    max_uses: int | None
    used_at: datetime | None = Field(sa_type=_TIME)


class ProfileRow(Base, table=True):
    """A copy of a public profile of the auth service; the higher revision is the newer."""

    __tablename__ = "profiles"

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_type=Text)
    image_url: str | None = Field(sa_type=Text)
    revision: int = Field(sa_type=BigInteger)


outbox_tables(metadata)
requests_table(metadata)
