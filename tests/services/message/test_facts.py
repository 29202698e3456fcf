"""The same behaviour on Postgres as in memory."""

from tests.unit.message.test_facts import *  # noqa: F403
