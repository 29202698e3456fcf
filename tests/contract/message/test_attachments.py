"""The same behaviour on Postgres as in memory."""

from tests.unit.message.test_attachments import *  # noqa: F403
