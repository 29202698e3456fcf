"""What happens when the database fails, on Postgres as in memory."""

from tests.unit.message.test_send_queue import (  # noqa: F401
    test_a_bad_row_fails_alone,
    test_a_database_that_stays_away_is_busy,
    test_a_lost_commit_doubles_nothing,
    test_a_lost_connection_loses_nothing,
)
