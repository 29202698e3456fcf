"""The same behaviour on Postgres as in memory."""

from tests.unit.message.test_membership import *  # noqa: F403
