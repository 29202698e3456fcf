"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_keys import *  # noqa: F403
