"""The same behaviour on Postgres as in memory."""

from tests.unit.message.test_send import *  # noqa: F403
