"""The same behaviour on Postgres as in memory."""

from tests.unit.server.test_events import *  # noqa: F403
