"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_profiles import *  # noqa: F403
