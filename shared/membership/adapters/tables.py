"""Tables of the local copy of channels and members (see projection.py)."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)

from shared.contracts.fields import ChannelType, Role
from shared.kit.database.schema import one_of

_TO_PURGE = text("deleted_at IS NOT NULL AND purged_at IS NULL")


def membership_tables(
    metadata: MetaData, *channel_columns: Column[Any], **channel_options: Any
) -> tuple[Table, ...]:
    """Add `servers`, `channels` and `members` to a service's metadata; return them in this order.

    A row has a revision, and the higher one wins. A deleted server or channel stays as a tombstone, which is
    purged when nothing refers to it; a member without a role is a tombstone too. Changes of a server are
    serialized by locking its row. A service may add columns and options of its own to `channels`.
    """
    return (
        _servers(metadata),
        _channels(metadata, channel_columns, channel_options),
        _members(metadata),
    )


def _servers(metadata: MetaData) -> Table:
    return Table(
        "servers",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("revision", BigInteger, nullable=False),
        Column("deleted_at", DateTime(timezone=True)),
        Column("purged_at", DateTime(timezone=True)),
        Index("servers_to_purge", "id", postgresql_where=_TO_PURGE),
    )


def _channels(metadata: MetaData, extra: Iterable[Column[Any]], options: dict[str, Any]) -> Table:
    return Table(
        "channels",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("server_id", Uuid, nullable=False),
        Column("type", Text),
        Column("revision", BigInteger, nullable=False),
        *extra,
        Column("deleted_at", DateTime(timezone=True)),
        Column("purged_at", DateTime(timezone=True)),
        one_of("type", ChannelType),
        CheckConstraint("type IS NOT NULL OR deleted_at IS NOT NULL", name="alive"),
        Index("channels_of_server", "server_id"),
        Index("channels_to_purge", "id", postgresql_where=_TO_PURGE),
        **options,
    )


def _members(metadata: MetaData) -> Table:
    return Table(
        "members",
        metadata,
        Column("server_id", Uuid, primary_key=True),
        Column("profile_id", Uuid, primary_key=True),
        Column("role", Text),
        Column("revision", BigInteger, nullable=False),
        one_of("role", Role),
    )
