"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_attempts import *  # noqa: F403
