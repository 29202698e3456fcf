"""The same behaviour on Postgres as in memory."""

from tests.unit.server.test_permissions import *  # noqa: F403
