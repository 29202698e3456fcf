"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_sweep import *  # noqa: F403
