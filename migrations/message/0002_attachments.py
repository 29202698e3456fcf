"""Attachments of messages, and files that were deleted not long ago."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deleted_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("deleted_files_pkey")),
    )
    op.create_index("deleted_files_deleted_at", "deleted_files", ["deleted_at"], unique=False)
    op.add_column("messages", sa.Column("attachments", postgresql.JSONB(), nullable=True))
    op.create_index(
        "messages_attachments",
        "messages",
        ["attachments"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"attachments": "jsonb_path_ops"},
        postgresql_where=sa.text("attachments IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("messages_attachments", table_name="messages")
    op.drop_column("messages", "attachments")
    op.drop_index("deleted_files_deleted_at", table_name="deleted_files")
    op.drop_table("deleted_files")
