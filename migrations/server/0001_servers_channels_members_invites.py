"""Servers, channels, members, invites, our copy of profiles, outbox and ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        "profiles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("profiles_pkey")),
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
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("invite_code", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("channel_count", sa.Integer(), nullable=False),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("channel_count >= 0 AND member_count >= 0", name=op.f("servers_counts_check")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("servers_name_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("servers_pkey")),
        sa.UniqueConstraint("invite_code", name=op.f("servers_invite_code_key")),
    )
    op.create_index(
        "servers_deleted_at",
        "servers",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("type IN ('TEXT', 'AUDIO', 'VIDEO')", name=op.f("channels_type_check")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("channels_name_check")),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("channels_server_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("channels_pkey")),
    )
    op.create_index("channels_of_server", "channels", ["server_id", "created_at", "id"], unique=False)
    op.create_table(
        "invites",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)", name=op.f("invites_uses_check")
        ),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("invites_server_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("invites_pkey")),
        sa.UniqueConstraint("code", name=op.f("invites_code_key")),
    )
    op.create_index(
        "invites_expired",
        "invites",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index("invites_of_server", "invites", ["server_id", "created_at", "id"], unique=False)
    op.create_index(
        "invites_used_up", "invites", ["used_at"], unique=False, postgresql_where=sa.text("uses >= max_uses")
    )
    op.create_table(
        "members",
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('ADMIN', 'MODERATOR', 'GUEST')", name=op.f("members_role_check")),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("members_server_id_fkey")),
        sa.PrimaryKeyConstraint("server_id", "profile_id", name=op.f("members_pkey")),
    )
    op.create_index("members_of_profile", "members", ["profile_id", "joined_at", "server_id"], unique=False)
    op.create_index("members_of_server", "members", ["server_id", "joined_at", "profile_id"], unique=False)


def downgrade() -> None:
    op.drop_index("members_of_server", table_name="members")
    op.drop_index("members_of_profile", table_name="members")
    op.drop_table("members")
    op.drop_index("invites_used_up", table_name="invites", postgresql_where=sa.text("uses >= max_uses"))
    op.drop_index("invites_of_server", table_name="invites")
    op.drop_index("invites_expired", table_name="invites", postgresql_where=sa.text("expires_at IS NOT NULL"))
    op.drop_table("invites")
    op.drop_index("channels_of_server", table_name="channels")
    op.drop_table("channels")
    op.drop_index(
        "servers_deleted_at", table_name="servers", postgresql_where=sa.text("deleted_at IS NOT NULL")
    )
    op.drop_table("servers")
    op.drop_index("requests_expires_at", table_name="requests")
    op.drop_table("requests")
    op.drop_table("profiles")
    op.drop_table("outbox_slices")
    op.drop_table("outbox_relays")
    op.drop_table("outbox")
