"""The number of attempts at the thumbnails of a file, and the time of the next one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNDECIDED = sa.text("thumbnails IS NULL AND status = 'COMPLETE' AND deleted_at IS NULL")


def upgrade() -> None:
    op.add_column(
        "files", sa.Column("thumbnail_tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("files", sa.Column("thumbnails_after", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "files_to_paint", "files", ["thumbnails_after"], unique=False, postgresql_where=_UNDECIDED
    )


def downgrade() -> None:
    op.drop_index("files_to_paint", table_name="files", postgresql_where=_UNDECIDED)
    op.drop_column("files", "thumbnails_after")
    op.drop_column("files", "thumbnail_tries")
