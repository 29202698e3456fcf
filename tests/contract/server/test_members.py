"""The same behaviour on Postgres as in memory."""

from tests.unit.server.test_members import *  # noqa: F403
