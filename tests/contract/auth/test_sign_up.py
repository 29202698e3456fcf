"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_sign_up import *  # noqa: F403
