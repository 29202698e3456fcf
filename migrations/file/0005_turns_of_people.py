"""Thumbnails are made of one person's files after another's."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UNDECIDED = sa.text("thumbnails IS NULL AND status = 'COMPLETE' AND deleted_at IS NULL")
_TO_PAINT = sa.text(
    "thumbnails IS NULL AND status = 'COMPLETE' AND deleted_at IS NULL AND thumbnail_tries < 5"
)


def upgrade() -> None:
    op.drop_index("files_to_paint", table_name="files", postgresql_where=_UNDECIDED)
    op.create_index(
        "files_to_paint",
        "files",
        ["profile_id", sa.text("coalesce(thumbnails_after, created_at)"), "id"],
        unique=False,
        postgresql_where=_TO_PAINT,
    )


def downgrade() -> None:
    op.drop_index("files_to_paint", table_name="files", postgresql_where=_TO_PAINT)
    op.create_index(
        "files_to_paint", "files", ["thumbnails_after"], unique=False, postgresql_where=_UNDECIDED
    )
