"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_sessions import *  # noqa: F403
