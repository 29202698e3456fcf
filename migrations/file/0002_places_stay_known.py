"""Tombstones stay until nobody can write to their places, and count until their addresses have expired."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_AWAITED = sa.text("status = 'PENDING' AND deleted_at IS NULL")
_STILL_CHARGED = sa.text("charged AND deleted_at IS NOT NULL")
_TO_PURGE = sa.text("purge_at IS NOT NULL")
_WRITTEN_TO = sa.text("upload_until IS NOT NULL")
_NOT_PURGED = sa.text("deleted_at IS NOT NULL AND purged_at IS NULL")


def upgrade() -> None:
    op.add_column("files", sa.Column("charged", sa.Boolean(), nullable=True))
    op.drop_index("files_to_purge", table_name="files", postgresql_where=_NOT_PURGED)
    op.alter_column("files", "purged_at", new_column_name="purge_at")
    op.execute(
        """
        UPDATE files SET
            charged = deleted_at IS NULL,
            purge_at = CASE
                WHEN deleted_at IS NOT NULL THEN greatest(upload_until, deleted_at)
                WHEN status = 'COMPLETE' THEN upload_until
            END
        """
    )
    op.alter_column("files", "charged", nullable=False)
    op.drop_index("files_written_to", table_name="files", postgresql_where=_WRITTEN_TO)
    op.create_index("files_awaited", "files", ["upload_until"], unique=False, postgresql_where=_AWAITED)
    op.create_index(
        "files_still_charged", "files", ["upload_until"], unique=False, postgresql_where=_STILL_CHARGED
    )
    op.create_index("files_to_purge", "files", ["purge_at"], unique=False, postgresql_where=_TO_PURGE)


def downgrade() -> None:
    op.drop_index("files_to_purge", table_name="files", postgresql_where=_TO_PURGE)
    op.drop_index("files_still_charged", table_name="files", postgresql_where=_STILL_CHARGED)
    op.drop_index("files_awaited", table_name="files", postgresql_where=_AWAITED)
    # A usage that is still charged would never be released there.
    op.execute(
        """
        UPDATE usage SET size = usage.size - gone.size, files = usage.files - gone.files
        FROM (
            SELECT profile_id, sum(size) AS size, count(*) AS files FROM files
            WHERE charged AND deleted_at IS NOT NULL GROUP BY profile_id
        ) AS gone
        WHERE usage.profile_id = gone.profile_id
        """
    )
    op.execute("UPDATE files SET purge_at = NULL")  # all tombstones are purged once more
    op.alter_column("files", "purge_at", new_column_name="purged_at")
    op.drop_column("files", "charged")
    op.create_index("files_to_purge", "files", ["deleted_at"], unique=False, postgresql_where=_NOT_PURGED)
    op.create_index("files_written_to", "files", ["upload_until"], unique=False, postgresql_where=_WRITTEN_TO)
