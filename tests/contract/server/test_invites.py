"""The same behaviour on Postgres as in memory."""

from tests.unit.server.test_invites import *  # noqa: F403
