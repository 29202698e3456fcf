"""In-memory twins of the message service's ports, with the rules of Postgres: locks, commits, tombstones."""
