"""The same behaviour on Postgres as in memory."""

from tests.unit.message.test_history import *  # noqa: F403
