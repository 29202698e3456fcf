"""The same behaviour on Postgres as in memory."""

from tests.unit.server.test_clean_up import *  # noqa: F403
