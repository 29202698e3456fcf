"""The same behaviour on Postgres and S3 as in memory."""

from tests.unit.file.test_sweep import *  # noqa: F403
