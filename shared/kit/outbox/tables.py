"""The tables of the outbox."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

SHARDS = 8
"""The number of shards that the keys are divided into, each relayed by one process at a time. Never changed.

The columns and tables name a shard `slice`."""

_QUEUE = {
    # A queue depends on vacuuming: clean up after each thousand dead rows, however many live ones there are.
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 1000,
    "autovacuum_vacuum_cost_delay": 0,
    "autovacuum_analyze_scale_factor": 0,
    "autovacuum_analyze_threshold": 10000,
}


def outbox_tables(metadata: MetaData) -> tuple[Table, ...]:
    """Add `outbox`, `outbox_slices` and `outbox_relays` to a service's metadata.

    Rows are ordered by `id`, assigned while the transaction holds the lock of the aggregate: for one
    aggregate, the order of ids is the order of commits. `topics` are separated by spaces.
    """
    return (
        Table(
            "outbox",
            metadata,
            Column("id", BigInteger, Identity(always=True), primary_key=True),
            Column("slice", SmallInteger, nullable=False),
            Column("key", Uuid, nullable=False),
            Column("event_id", Uuid, nullable=False),
            Column("type", Text, nullable=False),
            Column("topics", Text, nullable=False),
            Column("body", LargeBinary, nullable=False),
            Column("correlation_id", Text),
            Column("created_at", DateTime(timezone=True), nullable=False),
            postgresql_with=_QUEUE,
        ),
        Table(
            "outbox_slices",
            metadata,
            Column("slice", SmallInteger, primary_key=True, autoincrement=False),
            Column("owner", Text),
            Column("token", Uuid),
            Column("expires_at", DateTime(timezone=True)),
        ),
        Table(
            "outbox_relays",
            metadata,
            Column("token", Uuid, primary_key=True),
            Column("owner", Text, nullable=False),
            Column("expires_at", DateTime(timezone=True), nullable=False),
        ),
    )
