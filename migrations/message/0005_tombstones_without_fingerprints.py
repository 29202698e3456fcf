"""Deleted messages keep no fingerprint, by which a short content could be guessed."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Since then it goes with the content; these were deleted before.
    op.execute(
        "UPDATE messages SET fingerprint = NULL WHERE deleted_at IS NOT NULL AND fingerprint IS NOT NULL"
    )


def downgrade() -> None:
    """Do nothing: deleted fingerprints cannot be restored."""
