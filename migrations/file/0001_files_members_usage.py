"""Files, what they take, our copy of channels and members, outbox and ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("type IN ('TEXT', 'AUDIO', 'VIDEO')", name=op.f("channels_type_check")),
        sa.CheckConstraint("type IS NOT NULL OR deleted_at IS NOT NULL", name=op.f("channels_alive_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("channels_pkey")),
    )
    op.create_index("channels_of_server", "channels", ["server_id"], unique=False)
    op.create_index(
        "channels_to_purge",
        "channels",
        ["id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("upload_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("thumbnails", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleting_call", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('PENDING', 'COMPLETE')", name=op.f("files_status_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("files_pkey")),
    )
    op.create_index(
        "files_of_channel",
        "files",
        ["channel_id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "files_to_purge",
        "files",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    )
    op.create_index(
        "files_written_to",
        "files",
        ["upload_until"],
        unique=False,
        postgresql_where=sa.text("upload_until IS NOT NULL"),
    )
    op.create_table(
        "members",
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('ADMIN', 'MODERATOR', 'GUEST')", name=op.f("members_role_check")),
        sa.PrimaryKeyConstraint("server_id", "profile_id", name=op.f("members_pkey")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slice", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("topics", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": 1000,
            "autovacuum_vacuum_cost_delay": 0,
            "autovacuum_analyze_scale_factor": 0,
            "autovacuum_analyze_threshold": 10000,
        },
    )
    op.create_table(
        "outbox_relays",
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("outbox_relays_pkey")),
    )
    op.create_table(
        "outbox_slices",
        sa.Column("slice", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("slice", name=op.f("outbox_slices_pkey")),
    )
    op.create_table(
        "requests",
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "key", name=op.f("requests_pkey")),
    )
    op.create_index("requests_expires_at", "requests", ["expires_at"], unique=False)
    op.create_table(
        "servers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("servers_pkey")),
    )
    op.create_index(
        "servers_to_purge",
        "servers",
        ["id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    )
    op.create_table(
        "usage",
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("size >= 0 AND files >= 0", name=op.f("usage_counted_check")),
        sa.PrimaryKeyConstraint("profile_id", name=op.f("usage_pkey")),
    )


def downgrade() -> None:
    op.drop_table("usage")
    op.drop_index(
        "servers_to_purge",
        table_name="servers",
        postgresql_where=sa.text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    )
    op.drop_table("servers")
    op.drop_index("requests_expires_at", table_name="requests")
    op.drop_table("requests")
    op.drop_table("outbox_slices")
    op.drop_table("outbox_relays")
    op.drop_table("outbox")
    op.drop_table("members")
    op.drop_index(
        "files_written_to", table_name="files", postgresql_where=sa.text("upload_until IS NOT NULL")
    )
    op.drop_index(
        "files_to_purge",
        table_name="files",
        postgresql_where=sa.text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    )
    op.drop_index("files_of_channel", table_name="files", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_table("files")
    op.drop_index(
        "channels_to_purge",
        table_name="channels",
        postgresql_where=sa.text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    )
    op.drop_index("channels_of_server", table_name="channels")
    op.drop_table("channels")
