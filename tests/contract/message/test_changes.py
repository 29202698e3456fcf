"""The same behaviour on Postgres as in memory."""

from tests.unit.message.test_changes import *  # noqa: F403
