"""The key that a message's content is encrypted with, where it is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("content_key", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "content_key")
