"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_refresh import *  # noqa: F403
