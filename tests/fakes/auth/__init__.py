"""The ports of the auth service in memory, for tests without a database."""
