"""The same behaviour on Postgres as in memory."""

from tests.unit.server.test_servers import *  # noqa: F403
