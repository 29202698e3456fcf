"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_sealing_keys import *  # noqa: F403
