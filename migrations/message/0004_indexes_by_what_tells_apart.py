"""Find a nonce and a request by what tells them apart, not by all that their author wrote."""

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_IS_THERE = text("nonce IS NOT NULL")


def upgrade() -> None:
    _replace(["channel_id", "nonce", "profile_id"], ["channel_id", "request_key", "profile_id"])


def downgrade() -> None:
    _replace(["channel_id", "profile_id", "nonce"], ["channel_id", "profile_id", "request_key"])


def _replace(nonce: list[str], request: list[str]) -> None:
    op.drop_index("messages_nonce", table_name="messages")
    op.drop_index("messages_request", table_name="messages")
    op.create_index("messages_nonce", "messages", nonce, unique=True, postgresql_where=_IS_THERE)
    op.create_index("messages_request", "messages", request, unique=True)
