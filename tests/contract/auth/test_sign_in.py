"""The same behaviour on Postgres as in memory."""

from tests.unit.auth.test_sign_in import *  # noqa: F403
