"""Counts of wrong passwords, and where a session was opened from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("paid_back_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("attempts_pkey")),
    )
    op.create_index("attempts_paid_back", "attempts", ["paid_back_at"], unique=False)
    op.add_column("sessions", sa.Column("network", sa.Text(), nullable=True))
    op.create_index(
        "sessions_opened_from",
        "sessions",
        ["profile_id", "network"],
        unique=False,
        postgresql_where=sa.text("network IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "sessions_opened_from", table_name="sessions", postgresql_where=sa.text("network IS NOT NULL")
    )
    op.drop_column("sessions", "network")
    op.drop_index("attempts_paid_back", table_name="attempts")
    op.drop_table("attempts")
