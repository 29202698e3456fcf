"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_password import *  # noqa: F403
