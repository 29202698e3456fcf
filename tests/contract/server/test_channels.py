"""The same behaviour on Postgres as in memory."""

from tests.unit.server.test_channels import *  # noqa: F403
