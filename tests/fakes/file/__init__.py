"""In-memory twins of the ports, by the same rules as Postgres and S3: locks, commit, addresses, parts."""
