"""In-memory twins of the ports, by the same rules as Postgres: locks, commit, revisions, tombstones."""
