"""The ledger keeps what was made of an announcement, a file, and no longer the address that came with it."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Requests that were answered before: who asks again with the same key would be answered `internal.error`.
    op.execute(
        """
        UPDATE requests SET body = convert_to((convert_from(body, 'UTF8')::json -> 'file')::text, 'UTF8')
        WHERE status = 201 AND convert_from(body, 'UTF8')::json -> 'upload' IS NOT NULL
        """
    )


def downgrade() -> None:
    """Do nothing: removed addresses cannot be restored, and most have expired."""
