"""The ports in memory: the same behaviour, for tests that want no database."""
